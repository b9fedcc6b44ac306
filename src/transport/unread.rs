//! Bodies that nobody reads to their end. The server drains what is left of a
//! chunked one whose reader is gone, for as long as its sender likes; one whose
//! reader is still there when the answer leaves, it closes. So the body stays
//! with the answer.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{
    HttpMessage,
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
    match request.take_payload() {
        Payload::None => None,
        payload => {
            let kept = Kept(Rc::new(RefCell::new(payload)));
            request.set_payload(Payload::Stream { payload: Box::pin(kept.clone()) });
            Some(kept)
        }
    }
}

/// Lets the body go when the answer has left, and not before.
pub fn send_with<B>(kept: Option<Kept>, response: &mut ServiceResponse<B>) {
    if let Some(kept) = kept {
        response.response_mut().extensions_mut().insert(kept);
    }
}
