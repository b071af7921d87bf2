//! Signing in batches gives what signing one by one gives, and the hashes in SIMD lanes are MD5.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use md5::{Digest as _, Md5};
use md5_many::Md5Many;
use sluicegate_token::{
    ByteList, CdnKey, Gcore, ResourcePath, Scheme, Scope, SignError, Target, UnixTime,
};

/// Marsaglia's xorshift, for inputs that are the same in every run.
struct Xorshift(u64);

impl Xorshift {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }
}

#[test]
fn a_million_hashes_in_lanes_are_those_of_the_reference() {
    let mut random = Xorshift(0x9E37_79B9_7F4A_7C15);
    let pool: Vec<u8> = (0..4096).map(|_| random.next().to_le_bytes()[0]).collect();
    let lanes = Md5Many::new();
    let mut hashed = 0;
    while hashed < 1_000_000 {
        // Every length around the block's end, alone and mixed, in batches of every size.
        let same = random.below(2) == 0;
        let len = random.below(200);
        let messages: Vec<&[u8]> = (0..=random.below(400))
            .map(|_| {
                let len = if same { len } else { random.below(200) };
                let start = random.below(pool.len() - len);
                &pool[start..start + len]
            })
            .collect();
        let mut hashes = vec![[0_u8; 16]; messages.len()];
        lanes.hash_many(&messages, &mut hashes);
        for (message, hash) in messages.iter().zip(&hashes) {
            assert_eq!(hash[..], Md5::digest(message)[..], "{message:?}");
        }
        hashed += messages.len();
    }
}

#[test]
fn a_batch_of_any_size_is_signed_as_one_by_one() {
    let mut random = Xorshift(42);
    for scope in [Scope::File, Scope::Directory] {
        for (key, ip) in [
            (CdnKey::plain("k", b"secret_key"), None),
            (CdnKey::bound("k", b"another-secret"), Some("2001:db8::7".parse().unwrap())),
        ] {
            let gcore = Gcore::new(key, scope);
            for count in [0, 1, 2, 191, 192, 193, 384, 1000] {
                let paths: Vec<_> = (0..count)
                    .map(|at| {
                        let path = format!("/a/{}/{at}.ts", "x".repeat(random.below(150)));
                        ResourcePath::parse(path.as_bytes()).unwrap()
                    })
                    .collect();
                let mut signed = ByteList::default();
                for path in &paths {
                    signed.push(scope.signed_part(path));
                }
                let mut queries = ByteList::default();
                gcore.write_tokens(&signed, UnixTime(1_900_000_000), ip, &mut queries).unwrap();
                assert_eq!(queries.len(), count);
                for (path, query) in paths.iter().zip(queries.iter()) {
                    let mut one = Vec::new();
                    gcore
                        .write_token_for(&Target::of(path), UnixTime(1_900_000_000), ip, &mut one)
                        .unwrap();
                    assert_eq!(one, query);
                }
            }
        }
    }
}

#[test]
fn a_batch_is_refused_as_one_is() {
    let gcore = Gcore::new(CdnKey::plain("k", b"secret_key"), Scope::File);
    let mut signed = ByteList::default();
    signed.push(b"/a");
    let mut queries = ByteList::default();
    let ip = Some("192.0.2.1".parse().unwrap());
    assert_eq!(
        gcore.write_tokens(&signed, UnixTime(9), ip, &mut queries),
        Err(SignError::PlainKey)
    );
    assert_eq!(
        gcore.write_tokens(&signed, UnixTime(0), None, &mut queries),
        Err(SignError::BadExpiry)
    );
    assert!(queries.is_empty());
}
