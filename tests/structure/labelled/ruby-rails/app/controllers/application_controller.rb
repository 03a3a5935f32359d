class ApplicationController < ActionController::Base
  include Authentication

  rescue_from Lending::Refused, with: :refused

  private

  def refused(error)
    redirect_to root_path, alert: error.message
  end
end
