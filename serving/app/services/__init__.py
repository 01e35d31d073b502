"""What can be asked, typed: the API and the page call nothing else. No HTTP in it."""
