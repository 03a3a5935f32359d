module Authentication
  extend ActiveSupport::Concern

  def current_member
    @current_member ||= Member.find_by(id: session[:member_id])
  end
end
