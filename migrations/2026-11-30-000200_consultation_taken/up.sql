-- Who is offered or has a doctor, by department and rank: whether somebody was served before a worker who
-- is away and ranks before them.
CREATE INDEX consultation_taken ON consultation (department, ranked_since) WHERE state IN ('offered', 'active');
