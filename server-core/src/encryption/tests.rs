//! Tests that spell out the places to which keys and values are bound: stored values must stay readable for ever.

use server_shared::{
    crypto::{Binding, Key32},
    mark::Phi,
};

use super::*;

const MASTER: [u8; 32] = [7; 32];
const ID: Uuid = Uuid::from_u128(0x019a_6b1c_5d7e_7c3a_9b52_3f1e_0d6c_8a41);
const ROW: &str = "019a6b1c-5d7e-7c3a-9b52-3f1e0d6c8a41";
const CLINIC: OrganizationId = OrganizationId(5);

fn masters() -> MasterKeys {
    MasterKeys::new(Key32::from_bytes(MASTER), Vec::new())
}

fn encryption() -> Encryption {
    Encryption::new(EncryptionConfig { master: masters(), blind_index: Key32::from_bytes([8; 32]) })
}

/// Each kind of holder, with the organization, the table and the column that its wrapped key is bound to.
const HOLDERS: [(Holder, i64, &str, &str); 4] = [
    (Holder::Record { organization: CLINIC, id: ID }, 5, "data_keys", "wrapped"),
    (Holder::User { uid: ID }, 0, "users", "data_key_wrapped"),
    (Holder::Invitation { organization: CLINIC, uid: ID }, 5, "invitations", "data_key_wrapped"),
    (Holder::Answer { organization: CLINIC, id: ID }, 5, "idempotency_keys", "wrapped_key"),
];

#[test]
fn what_is_stored_opens() {
    for (holder, organization_id, table, column) in HOLDERS {
        let (key, wrapped) = masters().generate_data_key(&Binding { organization_id, table, column, row: ROW });
        let place = Binding { organization_id, table: "patients", column: "phone", row: ROW };
        let sealed = key.seal_text("+49 30 1234567", &place);
        let open = encryption().open(holder, wrapped.as_ref()).unwrap();
        let opened = open.row("patients", ID).open("phone", Some(&sealed)).unwrap().map(Phi::into_inner);
        assert_eq!(opened.as_deref(), Some("+49 30 1234567"));
        assert!(open.row("patients", ID).open("address", Some(&sealed)).is_err(), "it is bound to its column");
        assert!(open.row("people", ID).open("phone", Some(&sealed)).is_err(), "to its table");
        assert!(open.row("patients", Uuid::nil()).open("phone", Some(&sealed)).is_err(), "and to its row");
        for (other, ..) in HOLDERS.iter().filter(|(_, _, other, _)| *other != table) {
            assert!(encryption().open(*other, wrapped.as_ref()).is_err(), "the key of {holder} opens for {other}");
        }
    }
    let place = Binding { organization_id: 5, table: "idempotency_keys", column: "wrapped_key", row: ROW };
    let (key, wrapped) = masters().generate_data_key(&place);
    let sealed = key.seal(b"answer", &Binding { column: "answer", ..place });
    assert_eq!(encryption().open_answer(5, ID, (wrapped.as_ref(), &sealed)).unwrap(), b"answer");
}

#[test]
fn what_is_made_opens_and_for_nobody_else() {
    for (holder, ..) in HOLDERS {
        let new = encryption().create(holder);
        let sealed = new.key.row("patients", ID).seal("phone", Some("0721 234 567"));
        let open = encryption().open(holder, &new.wrapped).unwrap();
        let opened = open.row("patients", ID).open("phone", sealed.as_deref()).unwrap().map(Phi::into_inner);
        assert_eq!((new.id, opened.as_deref()), (ID, Some("0721 234 567")));
    }
    let of_a_clinic = encryption().create(HOLDERS[0].0);
    let elsewhere = Holder::Record { organization: OrganizationId(6), id: ID };
    assert!(encryption().open(elsewhere, &of_a_clinic.wrapped).is_err(), "the key of one clinic opens for another");
}
