//! Query strings, read as nginx reads `$arg_name`: raw, the first match, any case of the name.

/// The raw value of the first parameter called `name`, compared without regard to ASCII case.
///
/// Nothing is decoded; a parameter without `=` has no value and is passed over.
#[must_use]
pub fn first<'q>(query: &'q [u8], name: &str) -> Option<&'q [u8]> {
    parameters(query)
        .find_map(|(key, value)| value.filter(|_| key.eq_ignore_ascii_case(name.as_bytes())))
}

/// How many parameters are called `name`, in any case, with or without a value.
#[must_use]
pub fn count(query: &[u8], name: &str) -> usize {
    parameters(query).filter(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes())).count()
}

/// The query without the parameters that `taken` names; order and bytes of the others stay.
#[must_use]
pub fn without(query: &[u8], mut taken: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let mut kept = Vec::with_capacity(query.len());
    let mut first = true;
    for piece in query.split(|&byte| byte == b'&') {
        if taken(name_of(piece)) {
            continue;
        }
        if !first {
            kept.push(b'&');
        }
        kept.extend_from_slice(piece);
        first = false;
    }
    kept
}

/// The parameters in order: name, and the value if there is a `=`. Raw.
pub fn parameters(query: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    query.split(|&byte| byte == b'&').map(|piece| {
        let name = name_of(piece);
        (name, piece.get(name.len() + 1..))
    })
}

fn name_of(piece: &[u8]) -> &[u8] {
    let end = piece.iter().position(|&byte| byte == b'=').unwrap_or(piece.len());
    &piece[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_parameter_of_a_name_wins_in_any_case() {
        assert_eq!(first(b"a=1&MD5=x&md5=y", "md5"), Some(&b"x"[..]));
        assert_eq!(first(b"md5&md5=y", "md5"), Some(&b"y"[..]));
        assert_eq!(first(b"xmd5=1&a=md5=2", "md5"), None);
        assert_eq!(first(b"md5=", "md5"), Some(&b""[..]));
        assert_eq!(first(b"md5=%41=b", "md5"), Some(&b"%41=b"[..]));
        assert_eq!(count(b"sg=1&SG&sgx=2", "sg"), 2);
    }

    #[test]
    fn taking_parameters_out_leaves_the_others_byte_for_byte() {
        let taken = |name: &[u8]| name.eq_ignore_ascii_case(b"sg");
        assert_eq!(without(b"a=%2F+&sg=1&b&&c=", taken), b"a=%2F+&b&&c=");
        assert_eq!(without(b"SG=1", taken), b"");
        assert_eq!(without(b"", taken), b"");
    }
}
