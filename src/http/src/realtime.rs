//! Server push. The database is the log, the stream only a hint: a client resumes after the
//! last position that it saw, and still polls slowly.
