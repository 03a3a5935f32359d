require Rails.root.join("db", "seeds", "members")

Book.create!(title: "A book", isbn: "9780000000000")
