//! The texts of letters, in Chinese first and then in English. Plain text, so that
//! a link can be read before it is followed.

use super::Letter;
use domain::letter::LetterKind;

pub(super) struct Text {
    pub(super) subject: String,
    pub(super) body: String,
}

pub(super) fn of(letter: &Letter<'_>) -> Text {
    let Letter { name_zh, name_en, link, .. } = letter;
    match letter.kind {
        LetterKind::Invite => Text {
            subject: "驿站健康网络邀请 / Invitation to Waystation".to_owned(),
            body: format!(
                "{name_zh}，您好：\n\n您已被邀请加入驿站健康网络。请在 72 小时内打开以下链接，设置密码并绑定动态码：\n\n{link}\n\n\
                 链接只能使用一次。若您并未等待此邀请，请忽略本邮件。\n\n\
                 ----\n\n\
                 Dear {name_en},\n\nYou are invited to join the Waystation network. Within 72 hours, open this link to \
                 set your password and one-time codes:\n\n{link}\n\n\
                 The link works once. If you did not expect this invitation, ignore this letter.\n"
            ),
        },
        LetterKind::Reset => Text {
            subject: "重设驿站密码 / Reset your Waystation password".to_owned(),
            body: format!(
                "{name_zh}，您好：\n\n有人请求重设您的密码。请在 30 分钟内打开以下链接：\n\n{link}\n\n\
                 链接只能使用一次。若非您本人请求，请忽略本邮件，您的密码不会改变。\n\n\
                 ----\n\n\
                 Dear {name_en},\n\nSomebody asked to reset your password. Within 30 minutes, open this link:\n\n{link}\n\n\
                 The link works once. If it was not you, ignore this letter: your password stays as it is.\n"
            ),
        },
        LetterKind::SignInAlarm => Text {
            subject: "驿站账号登录异常 / Failed sign-ins to your Waystation account".to_owned(),
            body: format!(
                "{name_zh}，您好：\n\n有人多次尝试登录您的账号，均未成功。您的账号没有被锁定，您仍可照常登录。\n\n\
                 若是您本人忘记了密码，请在登录页面申请重设：{link}\n\
                 若不是您本人，请告知管理员；切勿把密码或动态码告诉任何人。\n\n\
                 ----\n\n\
                 Dear {name_en},\n\nSomebody tried several times to sign in to your account, and failed. The account \
                 is not locked: you can sign in as ever.\n\n\
                 If it was you and you forgot your password, ask for a new one where you sign in: {link}\n\
                 If it was not you, tell an operator; give your password or one-time code to nobody.\n"
            ),
        },
        LetterKind::CoverageGap => Text {
            subject: "排班空缺：科室将无人值班 / Nobody will be on call".to_owned(),
            body: format!(
                "{name_zh}，您好：\n\n以下科室在下列时段（北京时间）无人值班，请安排医生：\n\n{link}\n\n\
                 ----\n\n\
                 Dear {name_en},\n\nNobody of these departments will be on call at these times (Asia/Shanghai). \
                 Please find a doctor:\n\n{link}\n"
            ),
        },
        LetterKind::QueueTrouble => Text {
            subject: "排队告警：有人等候而无法及时处理 / Somebody waits and is not served in time".to_owned(),
            body: format!(
                "{name_zh}，您好：\n\n以下候诊或审方队列出现问题，请安排医生或药师：\n\n{link}\n\n\
                 ----\n\n\
                 Dear {name_en},\n\nThis queue is in trouble. Please find a doctor, or a pharmacist where \
                 prescriptions wait:\n\n{link}\n"
            ),
        },
        LetterKind::Reinvite => Text {
            subject: "请重新设置驿站账号 / Set up your Waystation account again".to_owned(),
            body: format!(
                "{name_zh}，您好：\n\n两位运营人员已确认您的身份，您原来的密码和动态码已停用。请在 72 小时内打开以下链接，\
                 重新设置密码并绑定动态码：\n\n{link}\n\n\
                 链接只能使用一次。若这不是您本人的要求，请立即联系运营人员。\n\n\
                 ----\n\n\
                 Dear {name_en},\n\nTwo operators have vouched for you. Your old password and one-time codes no longer \
                 work. Within 72 hours, open this link to set new ones:\n\n{link}\n\n\
                 The link works once. If you did not ask for this, call an operator now.\n"
            ),
        },
        LetterKind::AuthenticatorReset => Text {
            subject: "有人申请停用您的动态码 / Your one-time codes are about to be reset".to_owned(),
            body: format!(
                "{name_zh}，您好：\n\n一位运营人员申请停用您在 {link} 的密码和动态码，待另一位运营人员批准后生效。\n\n\
                 若这不是您本人的要求，请立即联系运营人员。\n\n\
                 ----\n\n\
                 Dear {name_en},\n\nAn operator has asked to take away your password and one-time codes at {link}. It \
                 takes effect when a second operator approves.\n\n\
                 If you did not ask for this, call an operator now.\n"
            ),
        },
        LetterKind::EmailConfirm => Text {
            subject: "请确认新的邮箱地址 / Confirm your new mail address".to_owned(),
            body: format!(
                "{name_zh}，您好：\n\n此地址将成为您的驿站登录地址。请在 72 小时内打开以下链接确认：\n\n{link}\n\n\
                 链接只能使用一次。若您并未等待此邮件，请忽略。\n\n\
                 ----\n\n\
                 Dear {name_en},\n\nThis is to become your address to sign in to Waystation with. Within 72 hours, \
                 open this link to confirm it:\n\n{link}\n\n\
                 The link works once. If you did not expect this letter, ignore it.\n"
            ),
        },
        LetterKind::EmailChanged => Text {
            subject: "您的登录邮箱已更改 / Your mail address was changed".to_owned(),
            body: format!(
                "{name_zh}，您好：\n\n您在 {link} 的登录邮箱已改为另一个地址，此地址不再使用。\n\n\
                 若这不是您本人的要求，请立即联系运营人员。\n\n\
                 ----\n\n\
                 Dear {name_en},\n\nYou now sign in at {link} with another mail address; this one is no longer used.\n\n\
                 If you did not ask for this, call an operator now.\n"
            ),
        },
    }
}
