//! Bodies that nobody reads to their end. The server drains what is left of a
//! chunked one whose reader is gone, for as long as its sender likes; one whose
//! reader is still there when the answer ends, it closes. So the body of the
//! request stays with the body of the answer.

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

/// A body that outlives its reader.
#[derive(Clone)]
pub struct Kept(Rc<RefCell<Payload>>);

impl Stream for Kept {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(cx)
    }
}

/// Keeps the body of `request`, if it has one; it is read as before.
pub fn keep(request: &mut ServiceRequest) -> Option<Kept> {
    match request.parts_mut().1.take() {
        Payload::None => None,
        payload => {
            let kept = Kept(Rc::new(RefCell::new(payload)));
            request.set_payload(Payload::Stream { payload: Box::pin(kept.clone()) });
            Some(kept)
        }
    }
}

/// The body of an answer, with that of its request.
pub struct Beside<B> {
    answer: Pin<Box<B>>,
    /// Held for its end.
    _kept: Kept,
}

impl<B: MessageBody> MessageBody for Beside<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.answer.size()
    }
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.get_mut().answer.as_mut().poll_next(cx)
    }
}

/// Lets the body go when the answer has ended, and not before.
pub fn send_beside<B: MessageBody>(
    kept: Option<Kept>,
    response: ServiceResponse<B>,
) -> ServiceResponse<EitherBody<B, Beside<B>>> {
    match kept {
        None => response.map_into_left_body(),
        Some(kept) => {
            response.map_body(|_, answer| EitherBody::right(Beside { answer: Box::pin(answer), _kept: kept }))
        }
    }
}
