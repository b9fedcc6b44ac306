//! Refusals by the domain. A refusal is an answer: it is shown to people, and commits with its
//! idempotency key. Infrastructure faults are not here.

use serde::{Deserialize, Serialize};

use super::words::Bilingual;

/// The kind of a refusal; the transport maps each kind to an HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// The request cannot be parsed as what it claims to be (400).
    Malformed,
    /// Nobody is signed in, or the credential is wrong or expired (401).
    Unauthenticated,
    /// Signed in, but not allowed to do this (403).
    Forbidden,
    /// It does not exist, or its existence is not visible to the caller (404).
    NotFound,
    /// The state has moved on (409).
    Conflict,
    /// The document was edited by somebody else (412).
    Stale,
    /// Too large (413).
    TooLarge,
    /// A value or a rule is broken (422).
    Rule,
    /// Too many tries (429).
    TooMany,
    /// Full or starting; try again (503).
    Unavailable,
}

/// One bad field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldProblem {
    /// The field, as a path: `readings[0].value`.
    pub field: String,
    /// A stable code for what is wrong: `out_of_range`, `unknown_field`, ...
    pub code: String,
    /// What is wrong and what is allowed.
    pub message: Bilingual,
}

/// A refusal, with everything a caller needs to correct the request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    pub code: Code,
    /// One entry per bad field.
    pub fields: Vec<FieldProblem>,
    /// The current state, where something moved on.
    pub state: Option<String>,
    /// When to try again, in seconds.
    pub retry_after_s: Option<u32>,
    /// Findings, allowed ranges and the like.
    pub data: Option<serde_json::Value>,
}

impl Refusal {
    /// A refusal with its code only. A bad field is named: [`Self::field`].
    pub fn new(code: Code) -> Self {
        debug_assert!(code != Code::InvalidField, "a bad field is refused without its name");
        Self::of(code, Vec::new())
    }

    fn of(code: Code, fields: Vec<FieldProblem>) -> Self {
        Self { code, fields, state: None, retry_after_s: None, data: None }
    }

    /// A number that no database column or sum can hold, or that may not be negative.
    pub fn out_of_range(field: &str) -> Self {
        Self::field(field, "out_of_range", Bilingual::fixed("数值超出范围。", "The number is out of range."))
    }

    pub fn field(field: impl Into<String>, code: &str, message: Bilingual) -> Self {
        Self::fields(vec![FieldProblem { field: field.into(), code: code.into(), message }])
    }

    pub fn fields(fields: Vec<FieldProblem>) -> Self {
        Self::of(Code::InvalidField, fields)
    }

    /// The thing is now in `state`.
    pub fn moved_on(state: impl std::fmt::Display) -> Self {
        Self::new(Code::StateMovedOn).in_state(state)
    }

    /// Adds the current state.
    pub fn in_state(mut self, state: impl std::fmt::Display) -> Self {
        self.state = Some(state.to_string());
        self
    }

    /// Adds when to try again.
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// Attaches findings or allowed values.
    pub fn with_data(mut self, data: serde_json::Value) -> Self {
        self.data = Some(data);
        self
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code.as_str())?;
        for bad in &self.fields {
            write!(f, " [{}: {} ({})]", bad.field, bad.message.en, bad.code)?;
        }
        Ok(())
    }
}
impl std::error::Error for Refusal {}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Code::parse(&text).ok_or_else(|| serde::de::Error::custom("unknown refusal code"))
    }
}

macro_rules! codes {
    ($($name:ident = $text:literal, $kind:ident, $zh:literal, $en:literal;)+) => {
        /// The one table of all refusals: stable code, kind, sentence.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $(#[doc = $en] $name),+ }

        impl Code {
            /// Every code, for the documentation and its test.
            pub const ALL: &'static [Code] = &[$(Code::$name),+];

            /// The stable code on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text),+ }
            }

            pub const fn kind(self) -> RefusalKind {
                match self { $(Code::$name => RefusalKind::$kind),+ }
            }

            /// The refusal with the code `text`.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Code::$name),)+ _ => None }
            }

            /// The sentence for people.
            pub const fn title(self) -> Bilingual {
                match self { $(Code::$name => Bilingual::fixed($zh, $en)),+ }
            }
        }
    };
}

codes! {
    // The request itself
    MalformedBody = "malformed_body", Malformed, "请求内容不是有效的 JSON。", "The body is not valid JSON.";
    InvalidField = "invalid_field", Rule, "有字段不符合要求。", "One or more fields are not valid.";
    InvalidParameter = "invalid_parameter", Malformed, "地址中的参数无效。", "A parameter of the address is not valid.";
    UnsupportedMediaType = "unsupported_media_type", Malformed, "请求内容必须是 application/json。", "The body must be application/json.";
    BodyTooLarge = "body_too_large", TooLarge, "请求内容过大。", "The body is too large.";
    RequestTimeout = "request_timeout", Malformed, "请求内容未能及时送达。", "The body did not arrive in time.";
    RouteNotFound = "route_not_found", NotFound, "没有这个地址。", "There is no such address.";
    MethodNotAllowed = "method_not_allowed", NotFound, "此地址不支持该方法。", "This address does not take that method.";
    IdempotencyKeyMissing = "idempotency_key_missing", Malformed, "缺少 Idempotency-Key 请求头。", "The Idempotency-Key header is missing.";
    IdempotencyKeyInvalid = "idempotency_key_invalid", Malformed, "Idempotency-Key 须为 8 到 128 个可见 ASCII 字符。", "Idempotency-Key must be 8 to 128 visible ASCII characters.";
    IdempotencyKeyReused = "idempotency_key_reused", Rule, "同一 Idempotency-Key 已用于不同的请求内容。", "This Idempotency-Key was already used with another body.";
    PreconditionMissing = "precondition_missing", Malformed, "缺少 If-Match 请求头。", "The If-Match header is missing.";
    PreconditionInvalid = "precondition_invalid", Malformed, "If-Match 请求头须为 *、\"版本号\" 或其列表。", "If-Match must be *, a version in quotes (\"3\"), or a list of them.";
    PreconditionFailed = "precondition_failed", Stale, "内容已被他人修改，请重新读取。", "The document has changed; read it again.";
    // Who is asking
    Unauthenticated = "unauthenticated", Unauthenticated, "请先登录。", "Sign in first.";
    TokenInvalid = "token_invalid", Unauthenticated, "令牌无效。", "The token is not valid.";
    TokenExpired = "token_expired", Unauthenticated, "令牌已过期。", "The token has expired.";
    SessionEnded = "session_ended", Unauthenticated, "登录已结束，请重新登录。", "The session has ended; sign in again.";
    CheckInEnded = "check_in_ended", Unauthenticated, "本次签到已结束。", "The check-in has ended.";
    CredentialsWrong = "credentials_wrong", Unauthenticated, "账号、密码或动态码不正确。", "The e-mail, password or one-time code is wrong.";
    TotpUsed = "totp_used", Unauthenticated, "该动态码已使用，请等待下一个。", "That one-time code was already used; wait for the next.";
    PinWrong = "pin_wrong", Unauthenticated, "卡号或密码不正确。", "The card number or PIN is wrong.";
    PinLocked = "pin_locked", TooMany, "密码错误次数过多，请稍后再试。", "Too many wrong PINs; try again later.";
    CardStopped = "card_stopped", Unauthenticated, "此卡已挂失或已更换，请使用新卡。", "This card was stopped or replaced; use the new one.";
    PhoneCodeWrong = "phone_code_wrong", Rule, "验证码不正确。", "The code is wrong.";
    PhoneCodeGone = "phone_code_gone", Rule, "验证码无效、已使用、已过期或错误次数过多，请重新获取。", "The code is unknown, used, expired or was tried too often; ask for another.";
    PhoneCodesOff = "phone_codes_off", Rule, "本网络未开通短信验证码。", "This network sends no codes to phones.";
    ApprovalNeeded = "approval_needed", Forbidden, "此操作会打开他人的健康档案，须作为变更申请，由另一名运营人员批准。", "This opens somebody's record: ask for it as a change, and another operator approves it.";
    OwnApproval = "own_approval", Forbidden, "须由另一人批准。", "Another person must approve this.";
    RefreshReused = "refresh_reused", Unauthenticated, "刷新令牌已被使用，相关登录全部失效。", "The refresh token was already used; the session is revoked.";
    RoleNotAllowed = "role_not_allowed", Forbidden, "您的角色不能执行此操作。", "Your role may not do this.";
    DeviceRevoked = "device_revoked", Unauthenticated, "设备已停用或已更换。", "The device is revoked or was replaced.";
    SignatureInvalid = "signature_invalid", Unauthenticated, "签名无效。", "The signature is not valid.";
    EnrolmentCodeInvalid = "enrolment_code_invalid", Unauthenticated, "注册码无效、已使用或已过期。", "The enrolment code is unknown, used or expired.";
    SigningWindowClosed = "signing_window_closed", Forbidden, "请先用动态码打开签名窗口。", "Open the signing window with a one-time code first.";
    SigningPinWrong = "signing_pin_wrong", Forbidden, "签名密码不正确。", "The signing PIN is wrong.";
    ReauthenticationNeeded = "reauthentication_needed", Forbidden, "请输入签名密码以确认是您本人。", "Enter your signing PIN to show that it is you.";
    LinkInvalid = "link_invalid", Unauthenticated, "链接无效、已使用或已过期。", "The link is unknown, used or expired.";
    TooManyRequests = "too_many_requests", TooMany, "请求过于频繁，请稍后再试。", "Too many requests; try again later.";
    // Things
    NotFound = "not_found", NotFound, "未找到。", "Not found.";
    StateMovedOn = "state_moved_on", Conflict, "状态已改变。", "The state has moved on.";
    AlreadyExists = "already_exists", Conflict, "已存在。", "It already exists.";
    ConsentMissing = "consent_missing", Rule, "需要先取得本人同意。", "The worker's consent is needed first.";
    // Care
    ConsultationLive = "consultation_live", Conflict, "您已有一个进行中的问诊。", "You already have a live consultation.";
    LaneNotPermitted = "lane_not_permitted", Rule, "本站点不支持该就诊类别。", "This station does not permit that lane.";
    LaneNoPrescription = "lane_no_prescription", Rule, "该就诊类别不能开具处方。", "This lane can never emit a prescription.";
    OfferNotYours = "offer_gone", Conflict, "该派单已失效。", "The offer is no longer open.";
    DoctorAtCapacity = "doctor_at_capacity", Conflict, "您的接诊数已达上限。", "You already hold as many consultations as you may.";
    DoctorUnavailable = "doctor_unavailable", Conflict, "该医生现在不能接诊。", "That doctor cannot take a consultation now.";
    WorkerAbsent = "worker_absent", Conflict, "劳动者当前未在任何站点签到。", "The worker is not checked in at any station now.";
    DoctorNotEligible = "doctor_not_eligible", Rule, "执业资格未核验、已过期或执业年限不足。", "The licence is not verified, has lapsed or is held for too few years.";
    NotOnShift = "not_on_shift", Rule, "您当前不在班。", "You are not on shift now.";
    PrescriptionOpen = "prescription_open", Conflict, "还有未完成的处方。", "A prescription is still open.";
    // Prescribing
    SafetyBlocked = "safety_blocked", Rule, "用药安全检查未通过。", "The safety check found a reason against this.";
    SafetyWarningsUnanswered = "safety_warnings_unanswered", Rule, "请为每条用药警告填写理由。", "Give a reason for each warning.";
    SafetyUnknown = "safety_unknown", Rule, "现有资料无法判断该药对您是否安全，请先咨询医生。", "What is known does not tell whether this is safe for you; ask a doctor first.";
    SafetyWarningsUnaccepted = "safety_warnings_unaccepted", Rule, "请阅读并接受每条用药警告。", "Read and accept each warning first.";
    SafetyRecheckNeeded = "safety_recheck_needed", Rule, "开方后您的健康资料有变化，请医生重新确认。", "Your record has changed since the prescription was signed; the doctor must look again.";
    HealthQuestionsUnanswered = "health_questions_unanswered", Rule, "购药前请先回答几个健康问题。", "Answer the health questions first.";
    PrescribingRule = "prescribing_rule", Rule, "违反处方规则。", "A prescribing rule is broken.";
    ReviewClaimed = "review_claimed", Conflict, "另一名药师正在审核此处方。", "Another pharmacist is reviewing this prescription.";
    QuestionOpen = "question_open", Conflict, "药师的提问尚待医生答复。", "The pharmacist's question waits for the doctor's answer.";
    OwnReview = "own_review", Forbidden, "不能审核自己开具的处方。", "Nobody reviews their own prescription.";
    PrescriptionSignatureInvalid = "prescription_signature_invalid", Conflict, "处方签名与内容不符。", "The signature does not fit the prescription.";
    SigningRefused = "signing_refused", Rule, "签名服务拒绝为该医生签名。", "The signing service refused to sign for this doctor.";
    SigningUnavailable = "signing_unavailable", Unavailable, "签名服务暂不可用，处方未签署，请稍后再试。", "The signing service cannot be used now; nothing was signed. Try again shortly.";
    PrescriptionExpired = "prescription_expired", Rule, "处方已过有效期。", "The prescription has expired.";
    // Orders and vending
    OutOfStock = "out_of_stock", Conflict, "药柜库存不足。", "The cabinet does not hold enough.";
    LaneNotVendable = "lane_not_vendable", Rule, "此药柜不可售出该药品。", "This cabinet's lane does not permit this product.";
    UnitsExceeded = "units_exceeded", Conflict, "超出处方数量。", "More than was prescribed.";
    UnpaidOrdersExceeded = "unpaid_orders_exceeded", Conflict, "您还有未付款的订单，请先付款或取消。", "You hold unpaid orders already; pay or cancel them first.";
    BalanceTooLow = "balance_too_low", Rule, "补贴余额不足。", "The subsidy balance is too low.";
    AttemptVoid = "attempt_void", Conflict, "取药授权已作废。", "The vend authorization is void.";
    AttemptInDoubt = "attempt_in_doubt", Conflict, "上一次出药结果待查。", "The attempt is in doubt.";
    AttemptClosed = "attempt_closed", Conflict, "该次出药已结束。", "The attempt is closed.";
    PickupCodeWrong = "pickup_code_wrong", Rule, "取药码不正确。", "The pickup code is wrong.";
    PickupCodeLocked = "pickup_code_locked", TooMany, "取药码错误次数过多。", "Too many wrong pickup codes.";
    DoorOpen = "door_open", Conflict, "柜门未关。", "The cabinet door is open.";
    CabinetTampered = "cabinet_tampered", Conflict, "药柜触发了防拆报警。", "The cabinet has a tamper alarm.";
    CabinetNotReconciled = "cabinet_not_reconciled", Conflict, "药柜与账目不一致，须先核对。", "The cabinet and the books differ; they must be reconciled first.";
    NotInFormulary = "not_in_formulary", Rule, "该药品不在本站现行处方集内，不可售出。", "The product is not in this station's formulary now and is not sold.";
    CabinetClosed = "cabinet_closed", Conflict, "药柜或货道已停用。", "The cabinet or slot is closed.";
    CabinetNotRebooted = "cabinet_not_rebooted", Conflict, "请先重启药柜，再清点。", "Restart the cabinet first, then count.";
    LotNotAllowed = "lot_not_allowed", Rule, "该批次已过期或被召回。", "The lot is expired or recalled.";
    BootUnknown = "boot_unknown", Conflict, "请先发送 hello。", "Send hello for this boot first.";
    EpochRevoked = "epoch_revoked", Unauthenticated, "该设备版本已被取代。", "This epoch of the device was replaced.";
    JournalGap = "journal_gap", Conflict, "日志序号不连续。", "The journal has a gap.";
    // The service
    Overloaded = "overloaded", Unavailable, "系统繁忙，请稍后再试。", "The service is busy; try again shortly.";
    Internal = "internal_error", Unavailable, "系统故障，请稍后再试。", "Something failed on our side; try again shortly.";
}
