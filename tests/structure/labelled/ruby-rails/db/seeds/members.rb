Member.create!(name: "A member")
