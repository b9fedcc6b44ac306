//! Request bodies that are not read to their end. If the payload of a chunked body has been
//! dropped, actix drains the rest for as long as the sender likes; if it still exists when the
//! answer ends, actix closes the connection. So the request's payload is stored in the body of
//! the answer.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{
    body::{BodySize, EitherBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    error::PayloadError,
    web::Bytes,
};
use futures_util::Stream;

/// A request payload that is not dropped with its reader.
#[derive(Clone)]
pub(crate) struct SharedPayload(Rc<RefCell<Payload>>);

impl Stream for SharedPayload {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(cx)
    }
}

/// Replaces the payload of `request`, if it has one, with a shared one, and returns it. Extractors
/// read it as before.
pub(crate) fn share_payload(request: &mut ServiceRequest) -> Option<SharedPayload> {
    match request.parts_mut().1.take() {
        Payload::None => None,
        payload => {
            let shared = SharedPayload(Rc::new(RefCell::new(payload)));
            request.set_payload(Payload::Stream { payload: Box::pin(shared.clone()) });
            Some(shared)
        }
    }
}

/// The body of an answer, together with the payload of its request.
pub(crate) struct BodyWithPayload<B> {
    answer: Pin<Box<B>>,
    /// Dropped when the answer has ended.
    _payload: SharedPayload,
}

impl<B: MessageBody> MessageBody for BodyWithPayload<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.answer.size()
    }
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.get_mut().answer.as_mut().poll_next(cx)
    }
}

/// Keeps the request's payload until the answer has ended.
pub(crate) fn attach_payload<B: MessageBody>(
    payload: Option<SharedPayload>,
    response: ServiceResponse<B>,
) -> ServiceResponse<EitherBody<B, BodyWithPayload<B>>> {
    match payload {
        None => response.map_into_left_body(),
        Some(payload) => response.map_body(|_, answer| {
            EitherBody::right(BodyWithPayload { answer: Box::pin(answer), _payload: payload })
        }),
    }
}
