//! Who asks. The middleware names the principal of every request once and leaves it in the request's extensions; handlers take [`Caller`].

use std::{future::Ready, ops::Deref};

use actix_web::{FromRequest, HttpMessage as _, HttpRequest, dev::Payload};
use trunkline_protocol::Principal;

use super::{Api, Problem};

/// Whom a request's token or key proves: asked once for each request, by the threshold. Anonymous where there is none, and where it
/// proves nothing (such a request counts as anonymous, `streams.md` section 3, and is answered 401 by [`Caller`]).
///
/// # Errors
/// A [`Problem`] only where it cannot be told just now.
pub async fn identify(_api: &Api, _request: &HttpRequest) -> Result<Principal, Problem> {
    Ok(Principal::anonymous())
}

/// The signed-in principal; a request without one is answered 401 before the handler runs.
#[derive(Clone, Debug)]
pub struct Caller(pub Principal);

impl Deref for Caller {
    type Target = Principal;
    fn deref(&self) -> &Principal {
        &self.0
    }
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let named = request.extensions().get::<Principal>().filter(|who| !who.is_anonymous()).cloned();
        std::future::ready(named.map(Caller).ok_or_else(Problem::unauthenticated))
    }
}
