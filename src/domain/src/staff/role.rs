//! Who may call: the table of roles. Tokens, the roles of routes, imports, invitations, event
//! streams and the API document follow from it. A new role of staff is a row here and an extractor
//! type in `http/auth.rs`.

/// Declares the roles; after the colon, what each has.
macro_rules! roles {
    ($($(#[$doc:meta])* $role:ident = $code:literal: $kind:expr;)+) => {
        crate::text_enum! {
            /// The role of a caller. Each has its own token audience or shares `staff`.
            pub enum Role { $($(#[$doc])* $role = $code),+ }
        }
        impl Role {
            /// What the role has.
            pub const fn kind(self) -> Kind {
                match self { $(Self::$role => $kind),+ }
            }
        }
    };
}

use Hears::{Everything, Nothing, Own, Reviews};
use Kind::{CheckIn, Screen, Staff};
use Part::Hospital;

roles! {
    /// A station's screen.
    Station = "station": Screen;
    /// A worker, through a check-in at a station.
    Worker = "worker": CheckIn;
    /// A doctor of a partner hospital.
    Doctor = "doctor": Staff(StaffKind {
        file: "doctors",
        about: "Doctors of hospitals that are known",
        record: &[Hospital, Part::Doctor],
        signs: true,
        hears: Own,
    });
    /// A pharmacist of the network.
    Pharmacist = "pharmacist": Staff(StaffKind {
        file: "pharmacists",
        about: "Pharmacists",
        record: &[Part::Pharmacist],
        signs: true,
        hears: Reviews,
    });
    /// A dispensing cabinet.
    Cabinet = "cabinet": Kind::Cabinet;
    /// Runs the network.
    Operator = "operator": Staff(StaffKind {
        file: "operators",
        about: "Operators",
        record: &[],
        signs: false,
        hears: Everything,
    });
    /// Fills cabinets.
    Restocker = "restocker": Staff(StaffKind {
        file: "restockers",
        about: "Restockers",
        record: &[],
        signs: false,
        hears: Nothing,
    });
    /// An employer's safety officer.
    Employer = "employer": Staff(StaffKind {
        file: "safety_officers",
        about: "Safety officers of employers that are known",
        record: &[Part::Employer],
        signs: false,
        hears: Nothing,
    });
    /// Keeps the doctors of one hospital and their roster, and sees nothing else.
    Coordinator = "coordinator": Staff(StaffKind {
        file: "coordinators",
        about: "Coordinators of hospitals that are known",
        record: &[Hospital],
        signs: false,
        hears: Nothing,
    });
}

/// How callers of a role prove who they are.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// By the key of a station's screen.
    Screen,
    /// By a check-in at a station.
    CheckIn,
    /// By the key of a cabinet.
    Cabinet,
    /// By a session.
    Staff(StaffKind),
}

/// What a role of staff has.
#[derive(Debug, Clone, Copy)]
pub struct StaffKind {
    /// The plural noun that names a file of their records.
    pub file: &'static str,
    /// What such a file holds, for the command line.
    pub about: &'static str,
    /// What their record has in addition to address, names and password, in the order of the
    /// columns.
    pub record: &'static [Part],
    /// Whether they have a signing PIN.
    pub signs: bool,
    pub hears: Hears,
}

/// A part of a staff record that only some roles have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The hospital that they belong to.
    Hospital,
    /// The employer whose people they see.
    Employer,
    /// Licence, departments, languages and capacity of a doctor.
    Doctor,
    /// Licence of a pharmacist.
    Pharmacist,
}

/// Which events an event stream of the role shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hears {
    /// They have no stream.
    Nothing,
    /// Events that concern them.
    Own,
    /// Those of the review queue.
    Reviews,
    Everything,
}

impl StaffKind {
    /// Whether their record has this part.
    pub fn has(&self, part: Part) -> bool {
        self.record.contains(&part)
    }
}

/// The roles for which `$belongs` holds, in the order of the table.
macro_rules! roles_that {
    ($belongs:path) => {{
        const COUNT: usize = {
            let (mut at, mut count) = (0, 0);
            while at < Role::ALL.len() {
                count += $belongs(Role::ALL[at]) as usize;
                at += 1;
            }
            count
        };
        const CHOSEN: [Role; COUNT] = {
            let (mut at, mut count, mut chosen) = (0, 0, [Role::ALL[0]; COUNT]);
            while at < Role::ALL.len() {
                if $belongs(Role::ALL[at]) {
                    chosen[count] = Role::ALL[at];
                    count += 1;
                }
                at += 1;
            }
            chosen
        };
        &CHOSEN
    }};
}

impl Role {
    /// The roles of staff.
    pub const STAFF: &'static [Self] = roles_that!(Role::is_staff);
    /// The roles that may open an event stream.
    pub const FOLLOWERS: &'static [Self] = roles_that!(Role::follows);
    /// The roles that sign prescriptions or their reviews.
    pub const SIGNERS: &'static [Self] = roles_that!(Role::signs);

    /// What the role has, if it is one of staff.
    pub const fn staff(self) -> Option<StaffKind> {
        match self.kind() {
            Kind::Staff(staff) => Some(staff),
            Kind::Screen | Kind::CheckIn | Kind::Cabinet => None,
        }
    }

    /// Whether they have a signing PIN.
    pub const fn signs(self) -> bool {
        matches!(self.staff(), Some(StaffKind { signs: true, .. }))
    }

    const fn is_staff(self) -> bool {
        self.staff().is_some()
    }

    const fn follows(self) -> bool {
        match self.kind() {
            Kind::Screen | Kind::Cabinet => false,
            Kind::CheckIn => true,
            Kind::Staff(staff) => !matches!(staff.hears, Hears::Nothing),
        }
    }
}
