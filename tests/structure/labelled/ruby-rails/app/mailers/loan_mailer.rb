class LoanMailer < ActionMailer::Base
  def reminder
    @loan = params[:loan]
    mail(to: @loan.member.email, subject: "Due on #{@loan.due_on}")
  end
end
