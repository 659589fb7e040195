"""What people see: tables, pictures and pages made from what is stored."""
