//! Data of the demo clinics. All of it is invented; addresses and numbers are of the kinds that are reserved
//! for examples.

/// A clinic.
pub(super) struct Clinic {
    pub(super) slug: &'static str,
    pub(super) name: &'static str,
    pub(super) timezone: &'static str,
    /// Begins the identity provider's names of the clinic's people.
    pub(super) clerk_prefix: &'static str,
    /// Administrator.
    pub(super) admin: &'static str,
    /// Member of the front desk.
    pub(super) staff: &'static str,
    /// Name and description.
    pub(super) specialties: [(&'static str, &'static str); 3],
    /// The first has a login.
    pub(super) specialists: [Specialist; 3],
    /// The first has a login.
    pub(super) patients: [Patient; 8],
}

/// A person who treats.
pub(super) struct Specialist {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// Indexes of its specialties in the clinic's list.
    pub(super) specialties: &'static [usize],
}

/// A person who is treated.
pub(super) struct Patient {
    pub(super) first_name: &'static str,
    pub(super) last_name: &'static str,
    pub(super) email: &'static str,
    pub(super) phone: &'static str,
    /// Year, month and day.
    pub(super) born: (i32, u32, u32),
    pub(super) national_id: &'static str,
    pub(super) address: &'static str,
    pub(super) emergency_contact: &'static str,
    pub(super) clinical_notes: Option<&'static str>,
}

/// The user who runs the platform.
pub(super) const SUPERADMIN: (&str, &str) = ("user_demo_superadmin", "Petra Platform");

/// The clinics.
pub(super) const CLINICS: [Clinic; 2] = [RIVERSIDE, HARBOR];

const RIVERSIDE: Clinic = Clinic {
    slug: "riverside-rehab",
    name: "Riverside Rehabilitation",
    timezone: "Europe/Berlin",
    clerk_prefix: "user_demo_riverside",
    admin: "Anna Leitner",
    staff: "Felix Empfang",
    specialties: [
        ("Orthopaedic rehabilitation", "After operations and injuries of joints, bones and muscles."),
        ("Neurological rehabilitation", "After a stroke, and with chronic diseases of the nervous system."),
        ("Cardiac rehabilitation", "After an infarction or an operation on the heart."),
    ],
    specialists: [
        Specialist { name: "Dr. Thea Muster", title: "Physiotherapist", specialties: &[0] },
        Specialist { name: "Dr. Jonas Beispiel", title: "Neurologist", specialties: &[1] },
        Specialist { name: "Dr. Karla Probst", title: "Cardiologist", specialties: &[0, 2] },
    ],
    patients: [
        Patient {
            first_name: "Greta",
            last_name: "Sample",
            email: "greta.sample@example.com",
            phone: "+49 30 23125 001",
            born: (1968, 4, 12),
            national_id: "DEMO-R-0001",
            address: "1 Example Street, 10115 Berlin",
            emergency_contact: "Alan Sample, +49 30 23125 101",
            clinical_notes: Some("Left knee, six weeks after replacement. Flexion 85 degrees."),
        },
        Patient {
            first_name: "Bernd",
            last_name: "Fiktiv",
            email: "bernd.fiktiv@example.com",
            phone: "+49 30 23125 002",
            born: (1955, 11, 3),
            national_id: "DEMO-R-0002",
            address: "2 Example Street, 10115 Berlin",
            emergency_contact: "Rosa Fiktiv, +49 30 23125 102",
            clinical_notes: Some("Right-sided weakness after a stroke. Walks with a stick."),
        },
        Patient {
            first_name: "Clara",
            last_name: "Vorlage",
            email: "clara.vorlage@example.com",
            phone: "+49 30 23125 003",
            born: (1991, 7, 24),
            national_id: "DEMO-R-0003",
            address: "3 Example Street, 10117 Berlin",
            emergency_contact: "Emil Vorlage, +49 30 23125 103",
            clinical_notes: Some("Cruciate ligament, twelve weeks after the operation."),
        },
        Patient {
            first_name: "David",
            last_name: "Testmann",
            email: "david.testmann@example.com",
            phone: "+49 30 23125 004",
            born: (1947, 1, 30),
            national_id: "DEMO-R-0004",
            address: "4 Example Street, 10117 Berlin",
            emergency_contact: "Ines Testmann, +49 30 23125 104",
            clinical_notes: None,
        },
        Patient {
            first_name: "Elif",
            last_name: "Örnek",
            email: "elif.ornek@example.com",
            phone: "+49 30 23125 005",
            born: (1983, 9, 9),
            national_id: "DEMO-R-0005",
            address: "5 Example Street, 10119 Berlin",
            emergency_contact: "Deniz Örnek, +49 30 23125 105",
            clinical_notes: Some("Chronic pain of the lower back. Exercises at home daily."),
        },
        Patient {
            first_name: "Frank",
            last_name: "Entwurf",
            email: "frank.entwurf@example.com",
            phone: "+49 30 23125 006",
            born: (1961, 2, 17),
            national_id: "DEMO-R-0006",
            address: "6 Example Street, 10119 Berlin",
            emergency_contact: "Lena Entwurf, +49 30 23125 106",
            clinical_notes: None,
        },
        Patient {
            first_name: "Hanna",
            last_name: "Platzhalter",
            email: "hanna.platzhalter@example.com",
            phone: "+49 30 23125 007",
            born: (1999, 12, 31),
            national_id: "DEMO-R-0007",
            address: "7 Example Street, 10178 Berlin",
            emergency_contact: "Otto Platzhalter, +49 30 23125 107",
            clinical_notes: Some("Shoulder, after dislocation. No weights above the head."),
        },
        Patient {
            first_name: "Igor",
            last_name: "Modell",
            email: "igor.modell@example.com",
            phone: "+49 30 23125 008",
            born: (1938, 6, 5),
            national_id: "DEMO-R-0008",
            address: "8 Example Street, 10178 Berlin",
            emergency_contact: "Vera Modell, +49 30 23125 108",
            clinical_notes: Some("After bypass surgery. Pulse below 110."),
        },
    ],
};

const HARBOR: Clinic = Clinic {
    slug: "harbor-clinic",
    name: "Harbor Clinic",
    timezone: "America/New_York",
    clerk_prefix: "user_demo_harbor",
    admin: "Robin Director",
    staff: "Dana Desk",
    specialties: [
        ("Sports medicine", "Back to sport after injuries."),
        ("Hand therapy", "After operations and injuries of hand and wrist."),
        ("Pelvic health", "After childbirth and operations."),
    ],
    specialists: [
        Specialist { name: "Dr. Maya Placeholder", title: "Physical therapist", specialties: &[0] },
        Specialist { name: "Sam Specimen", title: "Occupational therapist", specialties: &[1] },
        Specialist { name: "Dr. Lee Instance", title: "Physical therapist", specialties: &[0, 2] },
    ],
    patients: [
        Patient {
            first_name: "Nora",
            last_name: "Example",
            email: "nora.example@example.org",
            phone: "+1 212-555-0101",
            born: (1976, 3, 21),
            national_id: "DEMO-H-0001",
            address: "10 Sample Avenue, New York, NY 10001",
            emergency_contact: "Paul Example, +1 212-555-0151",
            clinical_notes: Some("Right ankle, four weeks after a fracture."),
        },
        Patient {
            first_name: "Oscar",
            last_name: "Mockup",
            email: "oscar.mockup@example.org",
            phone: "+1 212-555-0102",
            born: (1988, 8, 8),
            national_id: "DEMO-H-0002",
            address: "11 Sample Avenue, New York, NY 10001",
            emergency_contact: "Iris Mockup, +1 212-555-0152",
            clinical_notes: Some("Tennis elbow. Grip strength 60 percent of the other side."),
        },
        Patient {
            first_name: "Priya",
            last_name: "Draft",
            email: "priya.draft@example.org",
            phone: "+1 212-555-0103",
            born: (1993, 5, 14),
            national_id: "DEMO-H-0003",
            address: "12 Sample Avenue, New York, NY 10002",
            emergency_contact: "Arun Draft, +1 212-555-0153",
            clinical_notes: None,
        },
        Patient {
            first_name: "Quinn",
            last_name: "Template",
            email: "quinn.template@example.org",
            phone: "+1 212-555-0104",
            born: (1969, 10, 2),
            national_id: "DEMO-H-0004",
            address: "13 Sample Avenue, New York, NY 10002",
            emergency_contact: "Jo Template, +1 212-555-0154",
            clinical_notes: Some("Carpal tunnel release, second week."),
        },
        Patient {
            first_name: "Ruth",
            last_name: "Fixture",
            email: "ruth.fixture@example.org",
            phone: "+1 212-555-0105",
            born: (1950, 12, 19),
            national_id: "DEMO-H-0005",
            address: "14 Sample Avenue, New York, NY 10003",
            emergency_contact: "Carl Fixture, +1 212-555-0155",
            clinical_notes: Some("Hip replacement, balance training."),
        },
        Patient {
            first_name: "Sean",
            last_name: "Prototype",
            email: "sean.prototype@example.org",
            phone: "+1 212-555-0106",
            born: (2001, 1, 11),
            national_id: "DEMO-H-0006",
            address: "15 Sample Avenue, New York, NY 10003",
            emergency_contact: "Mary Prototype, +1 212-555-0156",
            clinical_notes: None,
        },
        Patient {
            first_name: "Tara",
            last_name: "Stub",
            email: "tara.stub@example.org",
            phone: "+1 212-555-0107",
            born: (1985, 6, 27),
            national_id: "DEMO-H-0007",
            address: "16 Sample Avenue, New York, NY 10004",
            emergency_contact: "Neil Stub, +1 212-555-0157",
            clinical_notes: Some("Twelve weeks after childbirth."),
        },
        Patient {
            first_name: "Victor",
            last_name: "Dummy",
            email: "victor.dummy@example.org",
            phone: "+1 212-555-0108",
            born: (1958, 4, 4),
            national_id: "DEMO-H-0008",
            address: "17 Sample Avenue, New York, NY 10004",
            emergency_contact: "Eve Dummy, +1 212-555-0158",
            clinical_notes: Some("Rotator cuff, conservative treatment."),
        },
    ],
};

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn nothing_that_must_be_unique_is_there_twice() {
        for clinic in &CLINICS {
            let emails: HashSet<_> = clinic.patients.iter().map(|patient| patient.email).collect();
            assert_eq!(emails.len(), clinic.patients.len(), "{}", clinic.slug);
            let names: HashSet<_> = clinic.specialists.iter().map(|specialist| specialist.name).collect();
            assert_eq!(names.len(), clinic.specialists.len(), "{}", clinic.slug);
        }
    }

    #[test]
    fn specialists_practise_what_the_clinic_has() {
        for clinic in &CLINICS {
            let known = clinic.specialties.len();
            assert!(
                clinic.specialists.iter().all(|specialist| specialist.specialties.iter().all(|place| *place < known))
            );
        }
    }
}
