//! A plan's text compressed once, for whichever tokens come to stand in it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sluicegate_gzip::{Gap, Template};
use sluicegate_manifest::{Plan, TokenRef};
use sluicegate_token::ByteList;

/// A longer text is not worth what stands in its memory meanwhile.
const MOST_BYTES: usize = 16 << 20;

/// Compressed when somebody asks for the second time: most plans of a live stream that nobody else looks at
/// are used once.
#[derive(Debug, Default)]
pub(crate) struct Once {
    /// How often somebody asked, as far as that matters.
    asked: AtomicU32,
    made: OnceLock<Option<Made>>,
}

#[derive(Debug)]
struct Made {
    template: Template,
    /// The tokens in the order in which the template counts them.
    tokens: Vec<TokenRef>,
}

impl Once {
    /// The body with these tokens. None if it must be compressed as any other: until it is made, and where
    /// tokens are too many, as one for each file.
    pub(crate) fn body(&self, plan: &Plan, tokens: &[ByteList]) -> Option<Vec<u8>> {
        self.made.get()?.as_ref()?.fill(plan, tokens)
    }

    /// Whether whoever asks shall see to it that it is made. Only one is told so.
    pub(crate) fn is_wanted(&self) -> bool {
        self.asked.load(Ordering::Relaxed) < 2 && self.asked.fetch_add(1, Ordering::Relaxed) == 1
    }

    /// Lets the next one who asks see to it.
    pub(crate) fn want_again(&self) {
        self.asked.store(1, Ordering::Relaxed);
    }

    /// Bytes of memory that it takes.
    pub(crate) fn size(&self) -> usize {
        let made = self.made.get().and_then(Option::as_ref);
        made.map_or(0, |made| made.template.size() + made.tokens.capacity() * size_of::<TokenRef>())
    }

    /// Makes it, which takes some milliseconds.
    pub(crate) fn make(&self, plan: &Plan, tokens: &[ByteList]) {
        self.made.get_or_init(|| Made::of(plan, tokens));
    }
}

impl Made {
    fn of(plan: &Plan, tokens: &[ByteList]) -> Option<Self> {
        let mut text = Vec::new();
        plan.render_into(tokens, &mut text);
        if text.len() > MOST_BYTES {
            return None;
        }
        let mut known: HashMap<TokenRef, usize> = HashMap::new();
        let mut in_order = Vec::new();
        let mut gaps = Vec::with_capacity(plan.tokens());
        for placed in plan.placed(tokens) {
            let token = *known.entry(placed.token).or_insert_with(|| {
                in_order.push(placed.token);
                in_order.len() - 1
            });
            gaps.push(Gap { at: placed.at, len: placed.len, token });
        }
        let template = Template::compile(&text, &gaps)?;
        Some(Self { template, tokens: in_order })
    }

    fn fill(&self, plan: &Plan, tokens: &[ByteList]) -> Option<Vec<u8>> {
        let written = self.tokens.iter().map(|token| plan.written(tokens, *token));
        let written: Vec<Cow<'_, [u8]>> = written.collect();
        self.template.fill(&written)
    }
}
