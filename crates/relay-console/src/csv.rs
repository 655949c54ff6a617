//! The partner report as comma-separated values (RFC 4180), safe to open in a spreadsheet.

use crate::view::PartnerView;

/// The report with a first line of names.
pub(crate) fn partners(partners: &[PartnerView]) -> String {
    let mut text = String::from(
        "direction,mailbox,partner,workflow,messages,collected,within_two_hours,within_a_day,\
         average_seconds_to_collect,longest_seconds_to_collect,not_collected,not_collected_since,failed,last\r\n",
    );
    let number = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
    for partner in partners {
        let fields = [
            cell(&partner.direction),
            cell(&partner.mailbox),
            cell(&partner.partner),
            cell(&partner.workflow),
            partner.messages.to_string(),
            partner.collected.to_string(),
            partner.collected_within_two_hours.to_string(),
            partner.collected_within_a_day.to_string(),
            number(partner.collected_seconds_average),
            number(partner.collected_seconds_longest),
            partner.uncollected.to_string(),
            partner.uncollected_since.map(|at| at.to_string()).unwrap_or_default(),
            partner.failed.to_string(),
            partner.last.to_string(),
        ];
        text += &fields.join(",");
        text += "\r\n";
    }
    text
}

/// A text as a field: in quotes, and not to be taken for a formula, whoever chose it.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    format!("\"{}{}\"", if formula { "'" } else { "" }, text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_partner_chose_is_a_formula_or_another_field() {
        assert_eq!(cell("=HYPERLINK(\"x\")"), "\"'=HYPERLINK(\"\"x\"\")\"");
        assert_eq!(cell("A,B"), "\"A,B\"");
    }
}
