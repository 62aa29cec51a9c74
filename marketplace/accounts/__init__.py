"""People who sign in: their sessions, passwords, second factors, invitations and mails."""
