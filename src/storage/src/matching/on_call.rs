//! The conditions of being on call, for statements on the tables of doctors and their departments.

/// Whether a doctor is on call now: verified, licensed today, on shift and available, with whatever
/// capacity, for the department of the row of `doctor_department`.
macro_rules! on_call {
    ($now:expr) => {
        on_duty!($now).and(diesel::dsl::exists(shift_of!($now)))
    };
}

/// As `on_call`, for a statement that finds few doctors: it looks at the shift of each. PostgreSQL answers
/// EXISTS by reading all present shifts.
macro_rules! on_call_each {
    ($now:expr) => {
        on_duty!($now).and(shift_of!($now).select(shift::ends_at).single_value().is_not_null())
    };
}

/// The conditions on the doctor's own row.
macro_rules! on_duty {
    ($now:expr) => {
        doctor::presence
            .eq_code(Presence::Available)
            .and(doctor::licence_verified_at.is_not_null())
            .and(doctor::licence_valid_until.ge(civil_day($now)))
            .and(doctor::capacity.gt(0))
    };
}

/// The doctor's present shift that is for this department, or for all of theirs.
macro_rules! shift_of {
    ($now:expr) => {
        shift::table
            .filter(shift::staff_id.eq(doctor::staff_id))
            .filter(shift::starts_at.le(At($now)))
            .filter(shift::ends_at.gt(At($now)))
            .filter(
                shift::department
                    .is_null()
                    .or(shift::department.eq(doctor_department::department.nullable())),
            )
    };
}
