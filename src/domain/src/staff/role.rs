//! Who may call: the roles of the network.

crate::text_enum! {
    /// The role of a caller. Each has its own token audience or shares `staff`.
    pub enum Role {
        /// A station's screen.
        Station = "station",
        /// A worker, through a check-in at a station.
        Worker = "worker",
        /// A doctor of a partner hospital.
        Doctor = "doctor",
        /// A pharmacist of the network.
        Pharmacist = "pharmacist",
        /// A dispensing cabinet.
        Cabinet = "cabinet",
        /// Runs the network.
        Operator = "operator",
        /// Fills cabinets.
        Restocker = "restocker",
        /// An employer's safety officer.
        Employer = "employer",
    }
}
