//! The requests and bodies of each session, and of each client address, that are in flight at once.
//!
//! A request is in flight until the head of its answer is made; from there on its body is, until it
//! has been sent. Addresses are told apart as sessions are: by an IPv4 address, or by the /64 of an
//! IPv6 one.

use std::hash::Hash;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use hyper::body::{Frame, SizeHint};
use sluicegate_token::{IpPrefix, SessionId};

use crate::Error;

/// The most that may be in flight at once; 0 is any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InFlightLimits {
    /// Requests of one session.
    pub session_requests: u32,
    /// Bodies of one session.
    pub session_bodies: u32,
    /// Requests of one client address.
    pub address_requests: u32,
    /// Bodies of one client address.
    pub address_bodies: u32,
}

/// Counts requests and bodies. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    limits: InFlightLimits,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    sessions: DashMap<SessionId, Count>,
    addresses: DashMap<IpPrefix, Count>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    requests: u32,
    bodies: u32,
}

/// The bounds of a session, or of an address, and the keys that set them.
#[derive(Clone, Copy)]
struct Bounds {
    requests: (u32, &'static str),
    bodies: (u32, &'static str),
}

/// A request in flight.
#[derive(Debug)]
pub(crate) struct Request(Place);

/// What is counted, and where.
#[derive(Debug)]
struct Place {
    all: InFlight,
    kind: Kind,
    session: Option<SessionId>,
    address: Option<IpPrefix>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Request,
    Body,
}

/// A body in flight.
struct Held {
    body: Body,
    _place: Place,
}

impl Default for InFlightLimits {
    fn default() -> Self {
        Self {
            session_requests: 512,
            session_bodies: 256,
            address_requests: 2048,
            address_bodies: 1024,
        }
    }
}

impl InFlight {
    /// Nothing yet.
    pub(crate) fn new(limits: InFlightLimits) -> Self {
        Self { limits, counts: Arc::default() }
    }

    /// The same counts under other limits.
    pub(crate) fn with_limits(&self, limits: InFlightLimits) -> Self {
        Self { limits, counts: Arc::clone(&self.counts) }
    }

    /// Counts a request of a session, if it has one, and of a client, if its address is known.
    ///
    /// # Errors
    /// [`Error::TooManyInFlight`].
    pub(crate) fn begin(
        &self,
        session: Option<SessionId>,
        client: Option<IpAddr>,
    ) -> Result<Request, Error> {
        let address = client.map(IpPrefix::for_session);
        self.place(Kind::Request, session, address).map(Request)
    }

    fn place(
        &self,
        kind: Kind,
        session: Option<SessionId>,
        address: Option<IpPrefix>,
    ) -> Result<Place, Error> {
        let InFlightLimits { session_requests, session_bodies, address_requests, address_bodies } =
            self.limits;
        // What is not counted is not given back.
        let mut place = Place { all: self.clone(), kind, session: None, address: None };
        if let Some(session) = session {
            let bounds = Bounds {
                requests: (session_requests, "limits.session_requests"),
                bodies: (session_bodies, "limits.session_bodies"),
            };
            take(&self.counts.sessions, session, kind, bounds)?;
            place.session = Some(session);
        }
        if let Some(address) = address {
            let bounds = Bounds {
                requests: (address_requests, "limits.address_requests"),
                bodies: (address_bodies, "limits.address_bodies"),
            };
            take(&self.counts.addresses, address, kind, bounds)?;
            place.address = Some(address);
        }
        Ok(place)
    }
}

impl Request {
    /// Counts the body of the answer until it has been sent, in place of the request.
    ///
    /// # Errors
    /// [`Error::TooManyInFlight`]; the body is not sent.
    pub(crate) fn answer(self, response: Response) -> Result<Response, Error> {
        if response.body().is_end_stream() {
            return Ok(response);
        }
        let Place { all, session, address, .. } = &self.0;
        let place = all.place(Kind::Body, *session, *address)?;
        Ok(response.map(|body| Body::new(Held { body, _place: place })))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(session) = self.session {
            give_back(&self.all.counts.sessions, session, self.kind);
        }
        if let Some(address) = self.address {
            give_back(&self.all.counts.addresses, address, self.kind);
        }
    }
}

impl Count {
    fn of(&mut self, kind: Kind) -> &mut u32 {
        match kind {
            Kind::Request => &mut self.requests,
            Kind::Body => &mut self.bodies,
        }
    }
}

fn take<K: Eq + Hash>(
    counts: &DashMap<K, Count>,
    key: K,
    kind: Kind,
    bounds: Bounds,
) -> Result<(), Error> {
    let entry = counts.entry(key);
    let known = match &entry {
        Entry::Occupied(count) => *count.get(),
        Entry::Vacant(_) => Count::default(),
    };
    // A request whose body could not be sent would ask the origin in vain.
    let (requests, bodies) = ((known.requests, bounds.requests), (known.bodies, bounds.bodies));
    let checked = match kind {
        Kind::Request => [Some(requests), Some(bodies)],
        Kind::Body => [Some(bodies), None],
    };
    for (count, (most, name)) in checked.into_iter().flatten() {
        if most != 0 && count >= most {
            return Err(Error::TooManyInFlight { key: name, most });
        }
    }
    *entry.or_default().of(kind) += 1;
    Ok(())
}

fn give_back<K: Eq + Hash>(counts: &DashMap<K, Count>, key: K, kind: Kind) {
    if let Entry::Occupied(mut count) = counts.entry(key) {
        let of_kind = count.get_mut().of(kind);
        *of_kind = of_kind.saturating_sub(1);
        if *count.get() == Count::default() {
            count.remove();
        }
    }
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: SessionId = SessionId([1; 14]);
    const OTHER: SessionId = SessionId([2; 14]);

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    fn key_of<T>(result: Result<T, Error>) -> Option<&'static str> {
        match result {
            Ok(_) => None,
            Err(Error::TooManyInFlight { key, .. }) => Some(key),
            Err(error) => panic!("{error}"),
        }
    }

    fn in_flight(session: (u32, u32), address: (u32, u32)) -> InFlight {
        InFlight::new(InFlightLimits {
            session_requests: session.0,
            session_bodies: session.1,
            address_requests: address.0,
            address_bodies: address.1,
        })
    }

    #[test]
    fn each_bound_holds_for_its_own() {
        let all = in_flight((2, 1), (3, 2));
        let begin = |session, address| all.begin(Some(session), ip(address));
        let held = [begin(SESSION, "192.0.2.1").unwrap(), begin(SESSION, "192.0.2.1").unwrap()];
        assert_eq!(key_of(begin(SESSION, "192.0.2.2")), Some("limits.session_requests"));
        let other = begin(OTHER, "192.0.2.1").unwrap();
        assert_eq!(key_of(begin(OTHER, "192.0.2.1")), Some("limits.address_requests"));
        assert_eq!(key_of(all.begin(None, ip("192.0.2.1"))), Some("limits.address_requests"));
        assert_eq!(key_of(begin(OTHER, "192.0.2.9")), None);
        let [one, two] = held;
        let body = one.answer(Response::new(Body::from("text"))).unwrap();
        let second = two.answer(Response::new(Body::from("text")));
        assert_eq!(key_of(second), Some("limits.session_bodies"));
        assert_eq!(key_of(begin(SESSION, "192.0.2.9")), Some("limits.session_bodies"), "at once");
        let of_other = other.answer(Response::new(Body::from("text"))).unwrap();
        assert_eq!(key_of(all.begin(None, ip("192.0.2.1"))), Some("limits.address_bodies"));
        drop(body);
        assert_eq!(key_of(begin(SESSION, "192.0.2.1")), None);
        drop(of_other);
        assert!(all.counts.sessions.is_empty() && all.counts.addresses.is_empty());
    }

    #[test]
    fn addresses_of_one_network_are_one() {
        let all = in_flight((0, 0), (1, 0));
        let held = all.begin(None, ip("2001:db8::1")).unwrap();
        assert!(all.begin(None, ip("2001:db8::2")).is_err());
        assert!(all.begin(None, ip("2001:db8:0:1::1")).is_ok());
        assert!(all.begin(None, ip("192.0.2.1")).is_ok());
        drop(held);
        assert!(all.counts.addresses.is_empty());
    }

    #[test]
    fn what_is_refused_leaves_no_count() {
        let all = in_flight((9, 9), (1, 9));
        let held = all.begin(Some(SESSION), ip("192.0.2.1")).unwrap();
        assert!(all.begin(Some(OTHER), ip("192.0.2.1")).is_err());
        assert!(!all.counts.sessions.contains_key(&OTHER));
        drop(held);
        assert!(all.counts.sessions.is_empty() && all.counts.addresses.is_empty());
    }

    #[test]
    fn without_bounds_nothing_is_refused_and_an_empty_body_is_none() {
        let all = in_flight((0, 0), (0, 0));
        let begun: Vec<_> = (0..1000).map(|_| all.begin(Some(SESSION), None).unwrap()).collect();
        let lower = all.with_limits(InFlightLimits { session_requests: 1000, ..all.limits });
        assert_eq!(key_of(lower.begin(Some(SESSION), None)), Some("limits.session_requests"));
        for request in begun {
            drop(request.answer(Response::new(Body::empty())).unwrap());
        }
        assert!(all.counts.sessions.is_empty());
    }

    #[test]
    fn a_counted_body_has_the_length_that_it_had() {
        let all = in_flight((1, 1), (1, 1));
        let begun = all.begin(Some(SESSION), None).unwrap();
        let answer = begun.answer(Response::new(Body::from("text"))).unwrap();
        assert_eq!(answer.body().size_hint().exact(), Some(4));
    }
}
