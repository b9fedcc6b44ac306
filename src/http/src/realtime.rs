//! What is told without being asked. The database is the log, the stream a
//! hint: a client resumes with the last position it saw, and still polls slowly.
