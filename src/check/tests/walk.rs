//! Which exchanges take which steps: the one pass against its own definition, read word by word, and against every way
//! there is.

use super::story::{Asked, OLD, message, trace};
use crate::analyze::Survey;
use crate::check::expectation::{Element, Flow, Rule, Step};
use crate::check::fit::{Bindings, fits};
use crate::check::flow::follow;
use crate::check::read;
use crate::trace::Exchange;
use proptest::prelude::*;
use std::time::{Duration, Instant};

const TOKENS: [&str; 3] = ["00000001", "00000002", "00000003"];

/// A request is one of six: to one of two paths, with one of three tokens.
fn asked(kinds: &[u8]) -> Survey {
    trace(kinds.iter().enumerate().map(|(at, kind)| {
        let token = TOKENS[usize::from(kind / 2) % 3];
        let Asked(value) = message(at as f64 * 0.5, token, 200);
        Asked(value).to("api.anthropic.com", if kind % 2 == 0 { "/v1/messages" } else { "/v1/oauth/token" })
    }))
}

fn flow(steps: &[String]) -> Option<Flow> {
    let text = format!("format = 1\n[[flow]]\nstep = [{}]\n", steps.join(", "));
    match read("x", &text).ok()?.expected.remove(0).rule {
        Rule::Flow(flow) => Some(flow),
        _ => None,
    }
}

fn route() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("path = \"/v1/messages\"".to_owned()),
        Just("path = \"/v1/oauth/token\"".to_owned()),
        Just("path = \"*\"".to_owned())
    ]
}

fn plain() -> impl Strategy<Value = String> {
    route().prop_map(|route| format!("{{ {route} }}"))
}

fn any_step() -> impl Strategy<Value = String> {
    let variable = prop_oneof![
        Just(String::new()),
        Just(", credential = \"$x\"".to_owned()),
        Just(", credential = \"$y\"".to_owned()),
        Just(", not = \"$x\"".to_owned()),
    ];
    let more = prop_oneof![
        3 => Just(String::new()),
        1 => Just(", repeat = 1".to_owned()),
        1 => Just(", repeat = \"2..3\"".to_owned()),
        1 => Just(", repeat = \"0..1\"".to_owned()),
        1 => Just(", repeat = \"1..\"".to_owned()),
        2 => Just(", absent = true".to_owned()),
    ];
    let single = (route(), variable, more).prop_map(|(route, variable, more)| format!("{{ {route}{variable}{more} }}"));
    let group = (plain(), plain()).prop_map(|(one, other)| format!("{{ any_order = [{one}, {other}] }}"));
    prop_oneof![4 => single, 1 => group]
}

/// The definition, window by window: where the element `at` begins to be taken decides everything before it.
struct Defined<'a> {
    elements: &'a [Element],
    exchanges: &'a [Exchange],
}

impl Defined<'_> {
    /// Whether the elements from `at` on are taken by exchanges from `from` on; `at` is the first that is not begun, and
    /// `open` the one that is, with how often it was taken.
    fn holds(&self, at: usize, from: usize, open: Option<(&Element, Vec<usize>)>, bound: &Bindings) -> bool {
        let (least, most, free): (u32, u32, Vec<&Step>) = match &open {
            None => (0, 0, vec![]),
            Some((Element::Taken(taking), _)) => match taking.repeat {
                None => (1, 1, vec![]),
                Some(span) => (span.from, span.to.unwrap_or(u32::MAX), vec![&taking.step]),
            },
            Some((Element::AnyOrder(group), taken)) => {
                let free = group.iter().enumerate().filter(|(member, _)| !taken.contains(member));
                (group.len() as u32, u32::MAX, free.map(|(_, taking)| &taking.step).collect())
            }
            Some((Element::Absent(_), _)) => unreachable!(),
        };
        let count = open.as_ref().map_or(0, |(_, taken)| taken.len() as u32);
        if count > most {
            return false;
        }
        let satisfied = count >= least;
        // What can come next, and what must not, up to the first element that has to be taken.
        let stretch: Vec<(usize, &Element)> = {
            let mut all = Vec::new();
            for (place, element) in self.elements.iter().enumerate().skip(at) {
                all.push((place, element));
                match element {
                    Element::Taken(taking) if taking.least() > 0 => break,
                    Element::AnyOrder(_) => break,
                    _ => {}
                }
            }
            if satisfied { all } else { Vec::new() }
        };
        for place in from..self.exchanges.len() {
            let exchange = &self.exchanges[place];
            for (element_at, element) in &stretch {
                let members: Vec<(usize, &Step)> = match element {
                    Element::Taken(taking) => vec![(0, &taking.step)],
                    Element::AnyOrder(group) => group.iter().map(|taking| &taking.step).enumerate().collect(),
                    Element::Absent(_) => vec![],
                };
                if let Some((member, step)) = members.into_iter().find(|(_, step)| fits(step, exchange, bound)) {
                    let mut bound = bound.clone();
                    bound.take(step, exchange, place);
                    return self.holds(element_at + 1, place + 1, Some((element, vec![member])), &bound);
                }
            }
            if let Some(step) = free.iter().find(|step| fits(step, exchange, bound)) {
                let (element, mut taken) = open.unwrap();
                let member = match element {
                    Element::AnyOrder(group) => {
                        group.iter().position(|taking| std::ptr::eq(&taking.step, *step)).unwrap()
                    }
                    _ => 0,
                };
                taken.push(member);
                let mut bound = bound.clone();
                bound.take(step, exchange, place);
                return self.holds(at, place + 1, Some((element, taken)), &bound);
            }
            let forbidden = |(_, element): &(usize, &Element)| match element {
                Element::Absent(step) => fits(step, exchange, bound),
                _ => false,
            };
            if stretch.iter().any(forbidden) {
                return false;
            }
        }
        let rest_is_optional = self.elements[at..].iter().all(|element| match element {
            Element::Taken(taking) => taking.least() == 0,
            Element::Absent(_) => true,
            Element::AnyOrder(_) => false,
        });
        satisfied && rest_is_optional
    }
}

/// Whether some choice of exchanges takes the steps in their order, by trying every choice.
fn some_way(steps: &[&Step], exchanges: &[Exchange], bound: &Bindings) -> bool {
    let Some((step, rest)) = steps.split_first() else { return true };
    exchanges.iter().enumerate().any(|(place, exchange)| {
        fits(step, exchange, bound) && {
            let mut bound = bound.clone();
            bound.take(step, exchange, place);
            some_way(rest, &exchanges[place + 1..], &bound)
        }
    })
}

fn takings(flow: &Flow) -> Vec<&Step> {
    let mut steps = Vec::new();
    for element in &flow.elements {
        if let Element::Taken(taking) = element {
            steps.push(&taking.step);
        }
    }
    steps
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn one_pass_does_what_the_definition_says(
        steps in prop::collection::vec(any_step(), 1..5),
        kinds in prop::collection::vec(0..6_u8, 0..10),
    ) {
        let Some(flow) = flow(&steps) else { return Ok(()) };
        let survey = asked(&kinds);
        let defined = Defined { elements: &flow.elements, exchanges: survey.exchanges() };
        let expected = defined.holds(0, 0, None, &Bindings::default());
        prop_assert_eq!(follow(&flow, survey.exchanges()).is_ok(), expected, "{:?} {:?}", steps, kinds);
    }

    #[test]
    fn without_variables_one_pass_finds_a_way_if_there_is_one(
        steps in prop::collection::vec(plain(), 1..5),
        kinds in prop::collection::vec(0..6_u8, 0..10),
    ) {
        let flow = flow(&steps).unwrap();
        let survey = asked(&kinds);
        let some = some_way(&takings(&flow), survey.exchanges(), &Bindings::default());
        prop_assert_eq!(follow(&flow, survey.exchanges()).is_ok(), some);
    }

    #[test]
    fn a_way_that_is_found_is_one(
        steps in prop::collection::vec(any_step(), 1..5),
        kinds in prop::collection::vec(0..6_u8, 0..10),
    ) {
        let Some(flow) = flow(&steps) else { return Ok(()) };
        let survey = asked(&kinds);
        let Ok(bound) = follow(&flow, survey.exchanges()) else { return Ok(()) };
        let mut before = None;
        for element in &flow.elements {
            if let Element::Taken(taking) = element {
                let taken: Vec<usize> = bound.taken_by(taking.step.index).collect();
                prop_assert!(taken.is_sorted() && taken.len() as u32 >= taking.least());
                prop_assert!(taken.iter().all(|place| Some(*place) > before));
                for place in &taken {
                    prop_assert!(fits(&taking.step, &survey.exchanges()[*place], &bound));
                }
                before = taken.last().copied().or(before);
            }
        }
    }
}

/// Steps, requests (`a` to the messages, `b` for a token), and whether they follow them.
#[test]
fn windows_and_counts() {
    let a = "{ path = \"/v1/messages\"";
    let b = "{ path = \"/v1/oauth/token\"";
    for (steps, asked_for, held) in [
        // Between two steps, and neither of these themselves.
        (vec![format!("{a} }}"), format!("{b}, absent = true }}"), format!("{a} }}")], "aa", true),
        (vec![format!("{a} }}"), format!("{b}, absent = true }}"), format!("{a} }}")], "baab", true),
        (vec![format!("{a} }}"), format!("{b}, absent = true }}"), format!("{a} }}")], "aba", false),
        (vec![format!("{a} }}"), format!("{a}, absent = true }}"), format!("{b} }}")], "ab", true),
        (vec![format!("{a} }}"), format!("{a}, absent = true }}"), format!("{b} }}")], "aab", false),
        // From the beginning, and to the end.
        (vec![format!("{b}, absent = true }}"), format!("{a} }}")], "ba", false),
        (vec![format!("{b}, absent = true }}"), format!("{a} }}")], "ab", true),
        (vec![format!("{a} }}"), format!("{b}, absent = true }}")], "aab", false),
        (vec![format!("{b}, absent = true }}")], "aa", true),
        // Only once the step before has been taken often enough.
        (vec![format!("{a}, repeat = 2 }}"), format!("{b}, absent = true }}")], "aba", true),
        (vec![format!("{a}, repeat = 2 }}"), format!("{b}, absent = true }}")], "aab", false),
        // Counts, up to the next step or the end.
        (vec![format!("{a}, repeat = 2 }}")], "aba", true),
        (vec![format!("{a}, repeat = 2 }}")], "aaa", false),
        (vec![format!("{a}, repeat = 2 }}"), format!("{b} }}")], "aabaa", true),
        (vec![format!("{a}, repeat = \"2..3\" }}"), format!("{b} }}")], "ab", false),
        (vec![format!("{a}, repeat = \"2..3\" }}"), format!("{b} }}")], "abaab", true),
        (vec![format!("{a}, repeat = \"..1\" }}"), format!("{b} }}")], "b", true),
        (vec![format!("{a}, repeat = \"..1\" }}"), format!("{b} }}")], "aab", false),
        (vec![format!("{a}, repeat = \"2..\" }}"), format!("{a} }}")], "aaa", true),
        (vec![format!("{a}, repeat = \"2..\" }}"), format!("{a} }}")], "aa", false),
        (vec![format!("{a} }}"), format!("{a} }}")], "ba", false),
    ] {
        let kinds: Vec<u8> = asked_for.bytes().map(|letter| letter - b'a').collect();
        let flow = flow(&steps).unwrap();
        assert_eq!(follow(&flow, asked(&kinds).exchanges()).is_ok(), held, "{steps:?} {asked_for}");
    }
}

#[test]
fn a_group_is_taken_in_any_order() {
    let flow = flow(&[
        "{ path = \"/v1/messages\" }".into(),
        "{ any_order = [{ path = \"/v1/messages\" }, { path = \"/v1/oauth/token\" }] }".into(),
    ])
    .unwrap();
    let held = |kinds: &[u8]| follow(&flow, asked(kinds).exchanges()).is_ok();
    assert!(held(&[0, 0, 1]) && held(&[0, 1, 0]) && held(&[0, 1, 1, 0]));
    assert!(!held(&[0, 1]) && !held(&[0, 0]) && !held(&[1, 0, 1]));
}

/// What would take years by trying every way takes as long as reading: many steps that all fit everything, and a last
/// one that nothing fits.
#[test]
fn nothing_is_tried_twice() {
    let survey = trace((0..2_000).map(|at| message(f64::from(at) * 0.01, OLD, 401)));
    let mut steps: Vec<String> = vec!["{ path = \"*\", repeat = \"0..\" }".into(); 30];
    steps.extend(vec!["{ path = \"/v1/messages\", repeat = \"1..\" }".to_owned(); 30]);
    steps.push("{ path = \"/never\" }".into());
    let flow = flow(&steps).unwrap();
    let began = Instant::now();
    assert!(follow(&flow, survey.exchanges()).is_err());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}
