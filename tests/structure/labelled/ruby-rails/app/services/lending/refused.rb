class Lending::Refused < StandardError
end
