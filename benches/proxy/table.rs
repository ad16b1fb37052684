//! Medians, spreads and ratios, as a Markdown table.

use crate::measure::Measure;
use std::collections::BTreeMap;
use std::fmt;

/// The party that the others are compared with.
const BASE: &str = "tunnel";

pub(crate) struct Table {
    parties: Vec<&'static str>,
    rows: Vec<(Measure, BTreeMap<&'static str, Vec<f64>>)>,
}

impl Table {
    pub(crate) fn new(parties: Vec<&'static str>) -> Self {
        Self { parties, rows: Vec::new() }
    }

    pub(crate) fn add(&mut self, measure: Measure, party: &'static str, value: Option<f64>) {
        if self.rows.last().is_none_or(|(last, _)| *last != measure) {
            self.rows.push((measure, BTreeMap::new()));
        }
        if let (Some((_, values)), Some(value)) = (self.rows.last_mut(), value) {
            values.entry(party).or_default().push(value);
        }
    }
}

/// Per party the median, and the median of the rounds' ratios to the tunnel with their quartiles.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| |")?;
        for party in &self.parties {
            write!(f, " {party} |")?;
        }
        for party in self.parties.iter().filter(|party| **party != BASE) {
            write!(f, " {party} ÷ {BASE} |")?;
        }
        writeln!(f)?;
        writeln!(f, "|---|{}", "--:|".repeat(2 * self.parties.len() - 1))?;
        for (measure, values) in &self.rows {
            write!(f, "| {} |", measure.name())?;
            for party in &self.parties {
                write!(
                    f,
                    " {} |",
                    values.get(party).map_or_else(|| "–".to_owned(), |values| figure(quartiles(values)[1]))
                )?;
            }
            for party in self.parties.iter().filter(|party| **party != BASE) {
                let ratios: Vec<f64> = match (values.get(party), values.get(BASE)) {
                    (Some(values), Some(base)) => values.iter().zip(base).map(|(value, base)| value / base).collect(),
                    _ => Vec::new(),
                };
                if ratios.is_empty() {
                    write!(f, " – |")?;
                } else {
                    let [low, middle, high] = quartiles(&ratios);
                    write!(f, " {middle:.2} ({low:.2}–{high:.2}) |")?;
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

fn quartiles(values: &[f64]) -> [f64; 3] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    [1, 2, 3].map(|quarter| sorted.get((last * quarter + 2) / 4).copied().unwrap_or(f64::NAN))
}

fn figure(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}
