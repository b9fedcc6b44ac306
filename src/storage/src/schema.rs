//! The tables of both databases, in the form of `diesel print-schema`; the types are the portable
//! ones of `sql_types`.

diesel::table! {
    use crate::sql_types::*;
    hospital (id) {
        id -> Uuid,
        code -> Text,
        name_zh -> Text,
        name_en -> Text,
        district -> Text,
        weight -> Int4,
        virtual_time -> Int8,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    use crate::sql_types::*;
    employer (id) {
        id -> Uuid,
        code -> Text,
        name_zh -> Text,
        name_en -> Text,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    use crate::sql_types::*;
    station (id) {
        id -> Uuid,
        code -> Text,
        name_zh -> Text,
        name_en -> Text,
        district -> Text,
        latitude_e6 -> Int4,
        longitude_e6 -> Int4,
        encounter_lanes -> Text,
        created_at -> Timestamptz,
        retired_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    cabinet (id) {
        id -> Uuid,
        station_id -> Uuid,
        lane -> Text,
        epoch -> Int8,
        boot_id -> Nullable<Text>,
        booted_at -> Nullable<Timestamptz>,
        acked_seq -> Int8,
        journal_head -> Text,
        door_open -> Bool,
        tampered -> Bool,
        heard_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    use crate::sql_types::*;
    device (id) {
        id -> Uuid,
        kind -> Text,
        station_id -> Uuid,
        cabinet_id -> Nullable<Uuid>,
        epoch -> Int8,
        public_key -> Text,
        enrolled_at -> Timestamptz,
        revoked_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    enrolment_code (digest) {
        digest -> Bytea,
        kind -> Text,
        station_id -> Uuid,
        created_by -> Uuid,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        used_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    used_assertion (digest) {
        digest -> Bytea,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    use crate::sql_types::*;
    worker (id) {
        id -> Uuid,
        card_index -> Nullable<Bytea>,
        name_sealed -> Bytea,
        phone_sealed -> Bytea,
        phone_index -> Bytea,
        pin_salt -> Nullable<Bytea>,
        pin_mac -> Nullable<Bytea>,
        pin_failures -> Int4,
        pin_locked_until -> Nullable<Timestamptz>,
        birth_date -> Nullable<Date>,
        sex -> Nullable<Text>,
        job -> Nullable<Text>,
        employer_id -> Nullable<Uuid>,
        language -> Text,
        merged_into -> Nullable<Uuid>,
        created_at -> Timestamptz,
        phone_checked_at -> Nullable<Timestamptz>,
        card_stopped_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    health_profile (worker_id) {
        worker_id -> Uuid,
        version -> Int8,
        body_sealed -> Bytea,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    use crate::sql_types::*;
    consent (id) {
        id -> Uuid,
        worker_id -> Uuid,
        purpose -> Text,
        station_id -> Nullable<Uuid>,
        granted_at -> Timestamptz,
        withdrawn_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    staff (id) {
        id -> Uuid,
        email -> Text,
        name_zh -> Text,
        name_en -> Text,
        hospital_id -> Nullable<Uuid>,
        employer_id -> Nullable<Uuid>,
        password_hash -> Nullable<Text>,
        totp_sealed -> Nullable<Bytea>,
        totp_step -> Int8,
        pin_salt -> Nullable<Bytea>,
        pin_mac -> Nullable<Bytea>,
        pin_failures -> Int4,
        pin_locked_until -> Nullable<Timestamptz>,
        disabled_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        version -> Int8,
        released_email -> Nullable<Text>,
        reset_asked_by -> Nullable<Uuid>,
        reset_asked_at -> Nullable<Timestamptz>,
        role -> Text,
    }
}

diesel::table! {
    use crate::sql_types::*;
    doctor (staff_id) {
        staff_id -> Uuid,
        hospital_id -> Uuid,
        licence_no -> Text,
        licence_verified_at -> Nullable<Timestamptz>,
        licence_valid_until -> Date,
        practising_since -> Date,
        languages -> Text,
        capacity -> Int4,
        presence -> Text,
        idle_since -> Timestamptz,
        live -> Int4,
        heard_at -> Nullable<Timestamptz>,
        released_licence_no -> Nullable<Text>,
        wrap_up_until -> Nullable<Timestamptz>,
        away_because -> Nullable<Text>,
        away_since -> Nullable<Timestamptz>,
        video_capacity -> Int4,
        live_video -> Int4,
    }
}

diesel::table! {
    use crate::sql_types::*;
    doctor_department (doctor_id, department) {
        doctor_id -> Uuid,
        department -> Text,
    }
}

diesel::table! {
    use crate::sql_types::*;
    pharmacist (staff_id) {
        staff_id -> Uuid,
        licence_no -> Text,
        licence_verified_at -> Nullable<Timestamptz>,
        licence_valid_until -> Date,
        released_licence_no -> Nullable<Text>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    shift (id) {
        id -> Uuid,
        staff_id -> Uuid,
        starts_at -> Timestamptz,
        ends_at -> Timestamptz,
        version -> Int8,
        rule_id -> Nullable<Uuid>,
        rule_date -> Nullable<Date>,
        department -> Nullable<Text>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    shift_rule (id) {
        id -> Uuid,
        staff_id -> Uuid,
        department -> Nullable<Text>,
        first_date -> Date,
        start_time -> Text,
        length_minutes -> Int4,
        rrule -> Text,
        last_date -> Nullable<Date>,
        planned_until -> Timestamptz,
        created_at -> Timestamptz,
        ended_at -> Nullable<Timestamptz>,
        version -> Int8,
    }
}

diesel::table! {
    use crate::sql_types::*;
    shift_exception (rule_id, date) {
        rule_id -> Uuid,
        date -> Date,
        from_file -> Bool,
    }
}

diesel::table! {
    use crate::sql_types::*;
    leave (id) {
        id -> Uuid,
        staff_id -> Uuid,
        starts_at -> Timestamptz,
        ends_at -> Timestamptz,
        reason -> Text,
        created_at -> Timestamptz,
        ended_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    coverage_gap (id) {
        id -> Uuid,
        hospital_id -> Nullable<Uuid>,
        department -> Text,
        starts_at -> Timestamptz,
        ends_at -> Timestamptz,
        told_at -> Timestamptz,
    }
}

diesel::table! {
    use crate::sql_types::*;
    coverage_round (one) {
        one -> Int8,
        ran_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    session (id) {
        id -> Uuid,
        staff_id -> Uuid,
        version -> Int8,
        created_at -> Timestamptz,
        active_at -> Timestamptz,
        signing_until -> Nullable<Timestamptz>,
        revoked_at -> Nullable<Timestamptz>,
        attended_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    refresh_token (digest) {
        digest -> Bytea,
        session_id -> Uuid,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        used_at -> Nullable<Timestamptz>,
        answer_sealed -> Nullable<Bytea>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    staff_link (digest) {
        digest -> Bytea,
        staff_id -> Uuid,
        purpose -> Text,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        used_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    email_change (digest) {
        digest -> Bytea,
        staff_id -> Uuid,
        email -> Text,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        used_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    check_in (id) {
        id -> Uuid,
        worker_id -> Uuid,
        station_id -> Uuid,
        started_at -> Timestamptz,
        active_at -> Timestamptz,
        ended_at -> Nullable<Timestamptz>,
        end_reason -> Nullable<Text>,
        context -> Nullable<Text>,
        symptoms -> Nullable<Text>,
        measure_again_by -> Nullable<Timestamptz>,
        opened_as -> Nullable<Uuid>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    reading (id) {
        id -> Uuid,
        check_in_id -> Uuid,
        worker_id -> Uuid,
        station_id -> Uuid,
        kind -> Text,
        value -> Nullable<Int8>,
        beyond -> Nullable<Text>,
        second -> Nullable<Int8>,
        unit -> Text,
        device -> Text,
        fasting -> Nullable<Bool>,
        measured_at -> Timestamptz,
        recorded_at -> Timestamptz,
    }
}

diesel::table! {
    use crate::sql_types::*;
    consultation (id) {
        id -> Uuid,
        worker_id -> Uuid,
        check_in_id -> Uuid,
        station_id -> Uuid,
        lane -> Text,
        department -> Text,
        language -> Text,
        state -> Text,
        complaint_sealed -> Bytea,
        symptoms -> Text,
        triage -> Text,
        requested_at -> Timestamptz,
        ranked_since -> Timestamptz,
        requeued_at -> Nullable<Timestamptz>,
        fence -> Int8,
        offer_id -> Nullable<Uuid>,
        doctor_id -> Nullable<Uuid>,
        hospital_id -> Nullable<Uuid>,
        accepted_at -> Nullable<Timestamptz>,
        ended_at -> Nullable<Timestamptz>,
        summary_sealed -> Nullable<Bytea>,
        diagnoses -> Nullable<Text>,
        rating -> Nullable<Int4>,
        rating_sealed -> Nullable<Bytea>,
        red_flags -> Nullable<Text>,
        left_at -> Nullable<Timestamptz>,
        cancel_reason -> Nullable<Text>,
        queue -> Text,
        medium -> Text,
        transferred_at -> Nullable<Timestamptz>,
        left_station_id -> Nullable<Uuid>,
        called_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    consultation_transfer (id) {
        id -> Uuid,
        consultation_id -> Uuid,
        from_doctor -> Uuid,
        to_department -> Nullable<Text>,
        to_doctor -> Nullable<Uuid>,
        reason_sealed -> Bytea,
        at -> Timestamptz,
    }
}

diesel::table! {
    use crate::sql_types::*;
    matching_clock (one) {
        one -> Int8,
        virtual_time -> Int8,
    }
}

diesel::table! {
    use crate::sql_types::*;
    queue_alert (id) {
        id -> Uuid,
        department -> Text,
        trouble -> Text,
        waiting -> Int8,
        oldest_since -> Timestamptz,
        raised_at -> Timestamptz,
        ended_at -> Nullable<Timestamptz>,
        told_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    alert (id) {
        id -> Uuid,
        check_in_id -> Uuid,
        worker_id -> Uuid,
        station_id -> Uuid,
        consultation_id -> Nullable<Uuid>,
        red_flags -> Text,
        raised_at -> Timestamptz,
        closed_at -> Nullable<Timestamptz>,
        closed_by -> Nullable<Uuid>,
        note_sealed -> Nullable<Bytea>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    offer (id) {
        id -> Uuid,
        consultation_id -> Uuid,
        doctor_id -> Uuid,
        hospital_id -> Uuid,
        fence -> Int8,
        state -> Text,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        answered_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    message (id) {
        id -> Uuid,
        consultation_id -> Uuid,
        sender_role -> Text,
        sender_id -> Uuid,
        body_sealed -> Bytea,
        sent_at -> Timestamptz,
    }
}

diesel::table! {
    use crate::sql_types::*;
    product (code) {
        code -> Text,
        generic_zh -> Text,
        generic_en -> Text,
        atc -> Text,
        class -> Text,
        in_formulary -> Bool,
        price_fen -> Int8,
        body -> Text,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    use crate::sql_types::*;
    prescription (id) {
        id -> Uuid,
        consultation_id -> Uuid,
        worker_id -> Uuid,
        doctor_id -> Uuid,
        hospital_id -> Uuid,
        state -> Text,
        version -> Int8,
        body_sealed -> Bytea,
        canonical_sealed -> Nullable<Bytea>,
        signature -> Nullable<Text>,
        signed_at -> Nullable<Timestamptz>,
        valid_until -> Nullable<Timestamptz>,
        reviewed_by -> Nullable<Uuid>,
        reviewed_at -> Nullable<Timestamptz>,
        reason_sealed -> Nullable<Bytea>,
        created_at -> Timestamptz,
        ended_at -> Nullable<Timestamptz>,
        claimed_by -> Nullable<Uuid>,
        claimed_at -> Nullable<Timestamptz>,
        claim_until -> Nullable<Timestamptz>,
        question_id -> Nullable<Uuid>,
        review_rank -> Int4,
    }
}

diesel::table! {
    use crate::sql_types::*;
    review_round (prescription_id, revision) {
        prescription_id -> Uuid,
        revision -> Int4,
        ended_at -> Timestamptz,
        outcome -> Text,
        decided_by -> Nullable<Uuid>,
        waited_s -> Int4,
        in_time -> Bool,
        review_s -> Nullable<Int4>,
        policy_version -> Text,
    }
}

diesel::table! {
    use crate::sql_types::*;
    review_alert (id) {
        id -> Uuid,
        trouble -> Text,
        waiting -> Int8,
        oldest_since -> Timestamptz,
        on_shift_from -> Nullable<Timestamptz>,
        told_at -> Nullable<Timestamptz>,
        raised_at -> Timestamptz,
        ended_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    prescription_line (prescription_id, line_no) {
        prescription_id -> Uuid,
        line_no -> Int4,
        product_code -> Text,
        dose_units_thousandths -> Int8,
        times_per_day -> Int4,
        days -> Int4,
        packs -> Int4,
    }
}

diesel::table! {
    use crate::sql_types::*;
    lot (product_code, lot_no) {
        product_code -> Text,
        lot_no -> Text,
        expires_on -> Date,
        recalled_at -> Nullable<Timestamptz>,
        recall_reason -> Nullable<Text>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    recall_notice (product_code, lot_key) {
        product_code -> Text,
        lot_key -> Text,
        reason -> Text,
        recalled_at -> Timestamptz,
    }
}

diesel::table! {
    use crate::sql_types::*;
    slot (cabinet_id, slot_no) {
        cabinet_id -> Uuid,
        slot_no -> Int4,
        capacity -> Int4,
        product_code -> Nullable<Text>,
        lot_no -> Nullable<Text>,
        closed_reason -> Nullable<Text>,
        closed_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    slot_stock (cabinet_id, slot_no, product_code, lot_no) {
        cabinet_id -> Uuid,
        slot_no -> Int4,
        product_code -> Text,
        lot_no -> Text,
        received -> Int8,
        on_hand -> Int8,
        reserved -> Int8,
        in_doubt -> Int8,
        dispensed -> Int8,
        discarded -> Int8,
    }
}

diesel::table! {
    use crate::sql_types::*;
    orders (id) {
        id -> Uuid,
        worker_id -> Uuid,
        check_in_id -> Uuid,
        station_id -> Uuid,
        cabinet_id -> Uuid,
        prescription_id -> Nullable<Uuid>,
        state -> Text,
        total_fen -> Int8,
        pickup_sealed -> Nullable<Bytea>,
        pickup_failures -> Int4,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        paid_at -> Nullable<Timestamptz>,
        ended_at -> Nullable<Timestamptz>,
        safety_sealed -> Nullable<Bytea>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    order_unit (id) {
        id -> Uuid,
        order_id -> Uuid,
        worker_id -> Uuid,
        prescription_id -> Nullable<Uuid>,
        line_no -> Nullable<Int4>,
        product_code -> Text,
        cabinet_id -> Uuid,
        slot_no -> Int4,
        lot_no -> Text,
        price_fen -> Int8,
        daily_units_thousandths -> Int8,
        days -> Int4,
        state -> Text,
        ended_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    attempt (id) {
        id -> Uuid,
        order_unit_id -> Uuid,
        order_id -> Uuid,
        cabinet_id -> Uuid,
        epoch -> Int8,
        slot_no -> Int4,
        product_code -> Text,
        lot_no -> Text,
        state -> Text,
        vend_authorization -> Text,
        issued_at -> Timestamptz,
        expires_at -> Timestamptz,
        started_at -> Nullable<Timestamptz>,
        boot_id -> Nullable<Text>,
        doubted_at -> Nullable<Timestamptz>,
        ended_at -> Nullable<Timestamptz>,
        outcome -> Nullable<Text>,
        other_lot_no -> Nullable<Text>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    cabinet_boot (cabinet_id, boot_id) {
        cabinet_id -> Uuid,
        boot_id -> Text,
        first_heard_at -> Timestamptz,
        mono_ms -> Nullable<Int8>,
        token_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use crate::sql_types::*;

    cabinet_discrepancy (cabinet_id, kind, slot_no) {
        cabinet_id -> Uuid,
        kind -> Text,
        slot_no -> Int4,
        detail -> Text,
        since -> Timestamptz,
    }
}

diesel::table! {
    use crate::sql_types::*;
    journal (cabinet_id, epoch, seq) {
        cabinet_id -> Uuid,
        epoch -> Int8,
        seq -> Int8,
        hash -> Text,
        prev_hash -> Text,
        boot_id -> Text,
        mono_ms -> Int8,
        wall -> Text,
        kind -> Text,
        body -> Text,
        received_at -> Timestamptz,
    }
}

diesel::table! {
    use crate::sql_types::*;
    incident (id) {
        id -> Uuid,
        cabinet_id -> Uuid,
        kind -> Text,
        slot_no -> Nullable<Int4>,
        attempt_id -> Nullable<Uuid>,
        detail -> Text,
        opened_at -> Timestamptz,
        closed_at -> Nullable<Timestamptz>,
        closed_by -> Nullable<Uuid>,
        note_sealed -> Nullable<Bytea>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    account (id) {
        id -> Uuid,
        kind -> Text,
        owner_id -> Nullable<Uuid>,
        may_overdraw -> Bool,
        balance_fen -> Int8,
    }
}

diesel::table! {
    use crate::sql_types::*;
    transfer (id) {
        id -> Uuid,
        reason -> Text,
        reference -> Text,
        at -> Timestamptz,
    }
}

diesel::table! {
    use crate::sql_types::*;
    posting (transfer_id, account_id) {
        transfer_id -> Uuid,
        account_id -> Uuid,
        amount_fen -> Int8,
    }
}

diesel::table! {
    use crate::sql_types::*;
    event (position) {
        position -> Int8,
        stream -> Text,
        stream_id -> Uuid,
        version -> Int8,
        kind -> Text,
        payload -> Text,
        actor_role -> Text,
        actor_id -> Nullable<Uuid>,
        worker_id -> Nullable<Uuid>,
        staff_id -> Nullable<Uuid>,
        at -> Timestamptz,
        writer_xid -> Int8,
    }
}

diesel::table! {
    use crate::sql_types::*;
    catalogue_edition (one) {
        one -> Int8,
        number -> Int8,
    }
}

diesel::table! {
    use crate::sql_types::*;
    department (code) {
        code -> Text,
        name_zh -> Text,
        name_en -> Text,
        patience_s -> Int4,
        overflow -> Text,
        version -> Int8,
    }
}

diesel::table! {
    use crate::sql_types::*;
    formulary_edition (id) {
        id -> Uuid,
        version -> Text,
        station_id -> Nullable<Uuid>,
        products -> Text,
        note -> Text,
        state -> Text,
        proposed_by -> Uuid,
        proposed_at -> Timestamptz,
        approved_by -> Nullable<Uuid>,
        approved_at -> Nullable<Timestamptz>,
        effective_at -> Nullable<Timestamptz>,
        withdrawn_by -> Nullable<Uuid>,
        withdrawn_at -> Nullable<Timestamptz>,
        reason -> Nullable<Text>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    rule_edition (id) {
        id -> Uuid,
        version -> Text,
        tables -> Text,
        note -> Text,
        state -> Text,
        proposed_by -> Uuid,
        proposed_at -> Timestamptz,
        approved_by -> Nullable<Uuid>,
        approved_at -> Nullable<Timestamptz>,
        effective_at -> Nullable<Timestamptz>,
        withdrawn_by -> Nullable<Uuid>,
        withdrawn_at -> Nullable<Timestamptz>,
        reason -> Nullable<Text>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    event_shift (one) {
        one -> Int8,
        xids -> Int8,
    }
}

diesel::table! {
    use crate::sql_types::*;
    idempotency (principal, route, key) {
        principal -> Text,
        route -> Text,
        key -> Text,
        body_digest -> Bytea,
        status -> Int4,
        answer_sealed -> Nullable<Bytea>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    use crate::sql_types::*;
    saved_answer (id) {
        id -> Uuid,
        body_digest -> Bytea,
        answer_sealed -> Bytea,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    use crate::sql_types::*;
    letter (id) {
        id -> Uuid,
        kind -> Text,
        staff_id -> Uuid,
        body_sealed -> Bytea,
        created_at -> Timestamptz,
        tries -> Int4,
        next_try_at -> Nullable<Timestamptz>,
        sent_at -> Nullable<Timestamptz>,
        state -> Text,
        email -> Nullable<Text>,
        trouble -> Nullable<Text>,
        reply_code -> Nullable<Int4>,
        failed_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    server_key (kid) {
        kid -> Text,
        purpose -> Text,
        private_sealed -> Bytea,
        created_at -> Timestamptz,
        retired_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    signing_key (kind, number) {
        kind -> Text,
        number -> Int8,
        signs_from -> Timestamptz,
        created_at -> Timestamptz,
        retired_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    doctor_key (id) {
        id -> Uuid,
        staff_id -> Uuid,
        algorithm -> Text,
        private_sealed -> Nullable<Bytea>,
        certificate -> Bytea,
        issued_by -> Text,
        valid_from -> Timestamptz,
        valid_until -> Timestamptz,
        created_at -> Timestamptz,
        ended_at -> Nullable<Timestamptz>,
        end_reason -> Nullable<Text>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    seal_key (id) {
        id -> Int8,
        seals_from -> Timestamptz,
        created_at -> Timestamptz,
        retired_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    reset_request (id) {
        id -> Uuid,
        email_sealed -> Bytea,
        email_index -> Bytea,
        may_send -> Bool,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    use crate::sql_types::*;
    health_read (reader_id, subject_id, part) {
        reader_id -> Uuid,
        subject_id -> Uuid,
        part -> Text,
        at -> Timestamptz,
    }
}

diesel::table! {
    use crate::sql_types::*;
    audit_seal (position) {
        position -> Int8,
        hash -> Text,
        signature -> Text,
        sealed_at -> Timestamptz,
        version -> Int4,
        events -> Nullable<Int8>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    worker_identity (id) {
        id -> Uuid,
        worker_id -> Uuid,
        kind -> Text,
        lookup -> Bytea,
        value_sealed -> Bytea,
        created_at -> Timestamptz,
        checked_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    phone_code (id) {
        id -> Uuid,
        station_id -> Uuid,
        purpose -> Text,
        phone_index -> Bytea,
        salt -> Bytea,
        mac -> Bytea,
        tries -> Int4,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        used_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    text_message (id) {
        id -> Uuid,
        phone_sealed -> Bytea,
        body_sealed -> Bytea,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        tries -> Int4,
        next_try_at -> Nullable<Timestamptz>,
        sent_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    worker_merge (id) {
        id -> Uuid,
        from_id -> Uuid,
        into_id -> Uuid,
        before_sealed -> Bytea,
        balance_fen -> Int8,
        returned_fen -> Int8,
        merged_at -> Timestamptz,
        undone_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    worker_merge_row (merge_id, kind, row_id) {
        merge_id -> Uuid,
        kind -> Text,
        row_id -> Uuid,
    }
}

diesel::table! {
    use crate::sql_types::*;
    worker_change (id) {
        id -> Uuid,
        worker_id -> Uuid,
        kind -> Text,
        body_sealed -> Bytea,
        state -> Text,
        requested_by -> Uuid,
        requested_at -> Timestamptz,
        expires_at -> Timestamptz,
        decided_by -> Nullable<Uuid>,
        decided_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    card_try (card_index, place) {
        card_index -> Bytea,
        place -> Text,
        failures -> Int4,
        tried_at -> Timestamptz,
        locked_until -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use crate::sql_types::*;
    hatch_try (cabinet_id) {
        cabinet_id -> Uuid,
        code_index -> Bytea,
        order_id -> Uuid,
        tried_at -> Timestamptz,
        failures -> Int4,
    }
}

diesel::joinable!(cabinet -> station (station_id));
diesel::joinable!(device -> station (station_id));
diesel::joinable!(device -> cabinet (cabinet_id));
diesel::joinable!(enrolment_code -> station (station_id));
diesel::joinable!(worker -> employer (employer_id));
diesel::joinable!(health_profile -> worker (worker_id));
diesel::joinable!(consent -> worker (worker_id));
diesel::joinable!(consent -> station (station_id));
diesel::joinable!(staff -> hospital (hospital_id));
diesel::joinable!(staff -> employer (employer_id));
diesel::joinable!(doctor -> staff (staff_id));
diesel::joinable!(doctor -> hospital (hospital_id));
diesel::joinable!(doctor_department -> doctor (doctor_id));
diesel::joinable!(pharmacist -> staff (staff_id));
diesel::joinable!(shift -> staff (staff_id));
diesel::joinable!(session -> staff (staff_id));
diesel::joinable!(refresh_token -> session (session_id));
diesel::joinable!(staff_link -> staff (staff_id));
diesel::joinable!(email_change -> staff (staff_id));
diesel::joinable!(check_in -> worker (worker_id));
diesel::joinable!(check_in -> station (station_id));
diesel::joinable!(reading -> check_in (check_in_id));
diesel::joinable!(reading -> worker (worker_id));
diesel::joinable!(reading -> station (station_id));
diesel::joinable!(consultation -> worker (worker_id));
diesel::joinable!(consultation -> check_in (check_in_id));
diesel::joinable!(consultation -> station (station_id));
diesel::joinable!(consultation -> staff (doctor_id));
diesel::joinable!(consultation -> hospital (hospital_id));
diesel::joinable!(consultation_transfer -> consultation (consultation_id));
diesel::joinable!(offer -> consultation (consultation_id));
diesel::joinable!(offer -> doctor (doctor_id));
diesel::joinable!(offer -> hospital (hospital_id));
diesel::joinable!(message -> consultation (consultation_id));
diesel::joinable!(prescription -> consultation (consultation_id));
diesel::joinable!(prescription -> worker (worker_id));
diesel::joinable!(prescription -> hospital (hospital_id));
diesel::joinable!(prescription_line -> prescription (prescription_id));
diesel::joinable!(prescription_line -> product (product_code));
diesel::joinable!(lot -> product (product_code));
diesel::joinable!(slot -> cabinet (cabinet_id));
diesel::joinable!(orders -> worker (worker_id));
diesel::joinable!(orders -> check_in (check_in_id));
diesel::joinable!(orders -> station (station_id));
diesel::joinable!(orders -> cabinet (cabinet_id));
diesel::joinable!(orders -> prescription (prescription_id));
diesel::joinable!(order_unit -> orders (order_id));
diesel::joinable!(order_unit -> worker (worker_id));
diesel::joinable!(order_unit -> product (product_code));
diesel::joinable!(attempt -> order_unit (order_unit_id));
diesel::joinable!(attempt -> orders (order_id));
diesel::joinable!(attempt -> cabinet (cabinet_id));
diesel::joinable!(cabinet_boot -> cabinet (cabinet_id));
diesel::joinable!(cabinet_discrepancy -> cabinet (cabinet_id));
diesel::joinable!(journal -> cabinet (cabinet_id));
diesel::joinable!(alert -> station (station_id));
diesel::joinable!(incident -> cabinet (cabinet_id));
diesel::joinable!(incident -> attempt (attempt_id));
diesel::joinable!(worker_identity -> worker (worker_id));
diesel::joinable!(worker_merge_row -> worker_merge (merge_id));
diesel::joinable!(worker_change -> worker (worker_id));
diesel::joinable!(posting -> transfer (transfer_id));
diesel::joinable!(posting -> account (account_id));
diesel::joinable!(doctor_key -> staff (staff_id));
diesel::joinable!(letter -> staff (staff_id));
diesel::allow_tables_to_appear_in_same_query!(
    hospital,
    department,
    rule_edition,
    formulary_edition,
    employer,
    station,
    cabinet,
    queue_alert,
    alert,
    device,
    enrolment_code,
    used_assertion,
    worker,
    health_profile,
    consent,
    staff,
    doctor,
    doctor_department,
    pharmacist,
    shift,
    shift_rule,
    shift_exception,
    leave,
    coverage_gap,
    coverage_round,
    session,
    refresh_token,
    staff_link,
    email_change,
    check_in,
    reading,
    consultation,
    consultation_transfer,
    matching_clock,
    offer,
    message,
    product,
    prescription,
    prescription_line,
    lot,
    slot,
    slot_stock,
    orders,
    order_unit,
    attempt,
    cabinet_boot,
    cabinet_discrepancy,
    journal,
    incident,
    account,
    transfer,
    posting,
    event,
    idempotency,
    saved_answer,
    letter,
    server_key,
    seal_key,
    signing_key,
    doctor_key,
    reset_request,
    health_read,
    audit_seal,
    worker_identity,
    phone_code,
    hatch_try,
    text_message,
    worker_merge,
    worker_merge_row,
    worker_change,
);
