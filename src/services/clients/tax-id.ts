// Tax ids: which ones are checked, and how.

/**
 * Eleven digits, plain or written 123.456.789-09, are a CPF (Brazil) and must have its check digits. A tax id of any
 * other form is taken as it is: we know no other country's rule, and to refuse a good one would turn a client away.
 * Whoever has eleven digits of another country (Germany, Poland) writes them with its code, such as DE 86095742719.
 */
export function isTaxIdPlausible(taxId: string): boolean {
  if (!/^\d{11}$|^\d{3}\.\d{3}\.\d{3}-\d{2}$/.test(taxId)) return true
  const digits = Array.from(taxId.replaceAll(/\D/g, ''), Number)
  // 111.111.111-11 and its like satisfy the sums, but the Receita Federal issues none of them.
  if (digits.every((digit) => digit === digits[0])) return false
  return digits[9] === checkDigit(digits.slice(0, 9)) && digits[10] === checkDigit(digits.slice(0, 10))
}

/** Weights fall to 2 at the last digit; the sum times ten modulo eleven, ten counting as zero. */
function checkDigit(digits: readonly number[]): number {
  const sum = digits.reduce((total, digit, at) => total + digit * (digits.length + 1 - at), 0)
  return ((sum * 10) % 11) % 10
}
