//! Exchanges by seed: number 17 of seed 1 is the same bytes in every run.

use super::encodings::{coded, written};
use super::origin::{HOST, HOST_H2};
use super::places::{Place, Way};
use super::secrets::{HEX, LETTERS, Rng, Secret};

/// A place and a way to write a secret there.
#[derive(Clone)]
pub(crate) struct Category {
    pub(crate) place: usize,
    pub(crate) how: &'static str,
}

pub(crate) struct Generator {
    pub(crate) seed: u64,
    pub(crate) places: Vec<Place>,
    pub(crate) categories: Vec<Category>,
}

pub(crate) struct Exchange {
    pub(crate) category: usize,
    pub(crate) way: Way,
    pub(crate) request: Vec<u8>,
    /// In the pieces in which the origin sends it.
    pub(crate) answer: Vec<Vec<u8>>,
    pub(crate) secrets: Vec<Secret>,
    /// By which it is found in a trace.
    pub(crate) id: String,
    pub(crate) useful: Vec<String>,
    pub(crate) refused: bool,
    pub(crate) last: bool,
}

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        let places = super::places::all();
        let of = |(place, one): (usize, &Place)| one.how.iter().map(|how| Category { place, how }).collect::<Vec<_>>();
        let categories = places.iter().enumerate().flat_map(of).collect();
        Self { seed, places, categories }
    }

    pub(crate) fn name(&self, category: usize) -> String {
        let Category { place, how } = &self.categories[category];
        format!("{}, {how}", self.places[*place].name)
    }

    /// One after the other all categories, then again with the next variants.
    pub(crate) fn exchange(&self, number: usize) -> Exchange {
        let index = number % self.categories.len();
        let category = &self.categories[index];
        let place = &self.places[category.place];
        let mut rng = Rng::new(self.seed, number as u64);
        // Every variant has its turn in every category, wherever the seed begins.
        let turn = number / self.categories.len() + usize::try_from(self.seed % 64).unwrap();
        let (request, answer) = &place.variants[turn % place.variants.len()];
        let host = |text: &str| if place.way == Way::H2 { text.replace(HOST, HOST_H2) } else { text.to_owned() };
        let mut filling = Filling::new(number, category.how, place, &mut rng);
        let request = filling.message(&host(request)).concat();
        let answer = filling.message(answer);
        let Filling { secrets, mut useful, id, .. } = filling;
        let head = answer.iter().find(|piece| !piece.starts_with(b"HTTP/1.1 103"));
        let status = head.and_then(|head| std::str::from_utf8(head.get(9..12)?).ok()?.parse::<u16>().ok());
        useful.extend(status.map(|status| format!("status={status}")));
        if place.refused {
            useful.clear();
        }
        let (refused, last) = (place.refused, place.last);
        Exchange { category: index, way: place.way, request, answer, secrets, id, useful, refused, last }
    }
}

/// What stands for the tokens of one exchange's templates.
struct Filling<'a> {
    how: &'static str,
    place: &'a Place,
    rng: &'a mut Rng,
    number: usize,
    id: String,
    secrets: Vec<Secret>,
    useful: Vec<String>,
}

impl<'a> Filling<'a> {
    fn new(number: usize, how: &'static str, place: &'a Place, rng: &'a mut Rng) -> Self {
        let id = format!("req_011C{}", rng.text(20, LETTERS));
        Self { how, place, rng, number, id, secrets: Vec::new(), useful: Vec::new() }
    }

    /// The pieces of one message.
    fn message(&mut self, template: &str) -> Vec<Vec<u8>> {
        if template.starts_with("HTTP/1.1 103") {
            let (interim, rest) = template.split_once("\r\n\r\n").unwrap();
            let mut pieces = vec![format!("{}\r\n\r\n", self.text(interim)).into_bytes()];
            pieces.extend(self.message(rest));
            return pieces;
        }
        let (head, body) = template.split_once("\r\n\r\n").unwrap_or((template, ""));
        let framed = template.contains("\r\n\r\n");
        let body = self.text(body);
        let (chunked, body) = match body.strip_prefix('\u{4}') {
            Some(body) => (true, body.to_owned()),
            None => (false, body),
        };
        let (label, body) = coded(body.as_bytes(), self.how);
        let head = self.text(head).replace("\u{5}", &label).replace("\u{6}", &body.len().to_string());
        if !framed {
            return vec![head.into_bytes()];
        }
        let mut pieces = vec![format!("{head}\r\n\r\n").into_bytes()];
        if chunked {
            pieces.extend(self.chunks(&body));
        } else if !body.is_empty() {
            pieces.push(body);
        }
        pieces
    }

    /// Chunks that end wherever it comes to it, some of them sent by themselves.
    fn chunks(&mut self, body: &[u8]) -> Vec<Vec<u8>> {
        let longest = *self.rng.pick(&[3, 17, 90, 4_000]);
        let mut pieces = vec![Vec::new()];
        let mut rest = body;
        while !rest.is_empty() {
            let (chunk, behind) = rest.split_at(rest.len().min(1 + self.rng.below(longest)));
            let piece = pieces.last_mut().unwrap();
            piece.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
            piece.extend([chunk, b"\r\n"].concat());
            if self.rng.below(6) == 0 {
                pieces.push(Vec::new());
            }
            rest = behind;
        }
        pieces.last_mut().unwrap().extend(b"0\r\n\r\n");
        pieces
    }

    /// The template with everything in it; what stands between the brackets of usefulness is kept in mind.
    fn text(&mut self, template: &str) -> String {
        let mut out = String::new();
        let mut useful_from = None;
        let mut rest = template;
        while let Some(at) = rest.find(['«', '⟦', '⟧']) {
            out.push_str(&rest[..at]);
            let mark = rest[at..].chars().next().unwrap();
            rest = &rest[at + mark.len_utf8()..];
            match mark {
                '⟦' => useful_from = Some(out.len()),
                '⟧' => self.useful.push(out[useful_from.take().unwrap()..].to_owned()),
                _ => {
                    let (token, behind) = rest.split_once('»').unwrap();
                    let text = self.token(token);
                    out.push_str(&text);
                    rest = behind;
                }
            }
        }
        out.push_str(rest);
        out
    }

    fn token(&mut self, token: &str) -> String {
        let mut hex = |len| self.rng.text(len, HEX);
        match token {
            "number" => self.number.to_string(),
            "req" => self.id.clone(),
            "req2" => format!("req_011D{}", self.rng.text(20, LETTERS)),
            "uuid" => format!("{}-{}-4{}-a{}-{}", hex(8), hex(4), hex(3), hex(3), hex(12)),
            "ray" => format!("{}-FRA", hex(16)),
            "small" => (10 + self.rng.below(90)).to_string(),
            "large" => (10_000 + self.rng.below(80_000)).to_string(),
            // These are known later.
            "auth" => "\u{2}auth\u{2}".to_owned(),
            "chunks" => "\u{4}".to_owned(),
            "coding" => "\u{5}".to_owned(),
            "length" => "\u{6}".to_owned(),
            secret => {
                let (number, how) = secret.split_once(' ').unwrap_or((secret, self.how));
                let at: usize = number.parse().unwrap_or_else(|_| panic!("no such token: {token}"));
                while self.secrets.len() < at {
                    let shape = *self.rng.pick(self.place.shapes);
                    self.secrets.push(Secret::new(shape, self.rng));
                }
                written(&self.secrets[at - 1], how)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_same_seed_gives_the_same_exchanges_and_another_one_others() {
        let (one, same, other) = (Generator::new(1), Generator::new(1), Generator::new(2));
        assert!(one.categories.len() >= 100, "{}", one.categories.len());
        let mut texts = HashSet::new();
        for number in 0..2 * one.categories.len() {
            let exchange = one.exchange(number);
            assert_eq!(exchange.request, same.exchange(number).request);
            assert_eq!(exchange.answer, same.exchange(number).answer);
            assert!(exchange.request != other.exchange(number).request || exchange.secrets.is_empty());
            assert!(!exchange.secrets.is_empty(), "{}", one.name(exchange.category));
            for secret in exchange.secrets {
                assert!(secret.private.iter().all(|part| part.len() >= 12), "{:?} {}", secret.shape, secret.text);
                assert!(texts.insert(secret.text));
            }
        }
    }
}
