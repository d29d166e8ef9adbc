//! Addition whose result is a function of the numbers added, not of their order.
//!
//! For the strategies that add; overflow is told, never wrapped.

/// Adds floating point numbers from the least to the greatest: their sum depends on the order, and
/// so it is a function of the values alone.
pub(super) fn sum_of_floats(values: &[f64]) -> f64 {
    match values {
        [one] => *one,
        many => {
            let mut sorted = many.to_vec();
            sorted.sort_unstable_by(f64::total_cmp);
            sorted.iter().sum()
        }
    }
}

/// Adds decimals of one scale; `None` beyond 38 digits, whatever the order of addition.
pub(super) fn sum_of_decimals(values: &[i128]) -> Option<i128> {
    // Halves are added separately, as a sum of large numbers of both signs may fit where a partial
    // sum does not.
    let (mut high, mut low) = (0_i128, 0_i128);
    for value in values {
        high += value >> 64;
        low += value & i128::from(u64::MAX);
    }
    let sum = high.checked_add(low >> 64)?.checked_mul(1 << 64)?;
    let sum = sum.checked_add(low & i128::from(u64::MAX))?;
    (sum.unsigned_abs() < 10_u128.pow(38)).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_do_not_depend_on_order() {
        let values = [1e16, 1.0, -1e16, 3.5, 1.0];
        let mut reversed = values;
        reversed.reverse();
        assert_eq!(sum_of_floats(&values).to_bits(), sum_of_floats(&reversed).to_bits());
        let most = 10_i128.pow(38) - 1;
        assert_eq!(sum_of_decimals(&[most, most, -most, -7]), Some(most - 7));
        assert_eq!(sum_of_decimals(&[-most, -1]), None);
        assert_eq!(sum_of_decimals(&[-1, -2, 5]), Some(2));
    }
}
