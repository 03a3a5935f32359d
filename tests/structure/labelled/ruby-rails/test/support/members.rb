module Members
  def member(status = Member::STATUSES.first)
    Member.create!(name: status.name)
  end
end
