// Money: what is taken in, what is refused, and that nothing is lost on the way there and back.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MoneyError, allocate, exponentOf, isCurrency, multiply, sumMinor, toAmount, toMinor } from './money.ts'
import { Refusal } from './refuse.ts'

const currencies = fc.constantFrom('JPY', 'EUR', 'KWD', 'CLF')
const storable = fc.bigInt({ min: -(10n ** 18n) + 1n, max: 10n ** 18n - 1n })

function refuses(code: string, amount: string | number, currency = 'EUR'): void {
  assert.throws(
    () => toMinor(amount, currency),
    (error) => error instanceof MoneyError && error instanceof Refusal && error.code === code,
    `${amount} ${currency}`,
  )
}

test('every active ISO 4217 code with a minor unit has its exponent', () => {
  const known = Array.from({ length: 26 ** 3 }, (_, n) =>
    String.fromCharCode(65 + Math.floor(n / 676), 65 + (Math.floor(n / 26) % 26), 65 + (n % 26)),
  ).filter(isCurrency)
  assert.equal(known.length, 165)
  const counts = [0, 1, 2, 3, 4].map((exponent) => known.filter((code) => exponentOf(code) === exponent).length)
  assert.deepEqual(counts, [17, 0, 139, 7, 2])
})

test('decimals follow ISO where Intl follows habit', () => {
  assert.equal(exponentOf('IQD'), 3)
  assert.equal(exponentOf('UGX'), 0)
  assert.equal(exponentOf('HUF'), 2)
  assert.equal(exponentOf('UYW'), 4)
})

test('withdrawn codes, metals, test codes and small letters are no currencies', () => {
  for (const code of ['BGN', 'HRK', 'ANG', 'CUC', 'XAU', 'XXX', 'XTS', 'eur', '', 'constructor']) {
    assert.equal(isCurrency(code), false, code)
    refuses('CURRENCY_UNKNOWN', '1', code)
  }
})

test('an amount is read in the minor units of its currency', () => {
  assert.equal(toMinor('1059.97', 'EUR'), 105997n)
  assert.equal(toMinor('1059.9', 'EUR'), 105990n)
  assert.equal(toMinor('1060', 'EUR'), 106000n)
  assert.equal(toMinor('0.001', 'KWD'), 1n)
  assert.equal(toMinor('1060', 'JPY'), 1060n)
  assert.equal(toMinor('-0.05', 'EUR'), -5n)
  assert.equal(toMinor('-0', 'EUR'), 0n)
  assert.equal(toMinor('007.50', 'EUR'), 750n)
})

test('numbers are accepted when they name an exact decimal of the currency', () => {
  assert.equal(toMinor(1059.97, 'EUR'), 105997n)
  assert.equal(toMinor(0.07, 'EUR'), 7n)
  assert.equal(toMinor(-1.005, 'KWD'), -1005n)
  assert.equal(toMinor(9999999999999.99, 'EUR'), 999999999999999n)
  refuses('AMOUNT_TOO_PRECISE', 0.1 + 0.2)
  refuses('AMOUNT_TOO_PRECISE', 1.005)
  refuses('AMOUNT_TOO_PRECISE', 1e-7)
  refuses('AMOUNT_TOO_PRECISE', 1.5, 'JPY')
  refuses('AMOUNT_TOO_LARGE', 10_000_000_000_000)
  refuses('AMOUNT_TOO_LARGE', 1e300)
  refuses('AMOUNT_MALFORMED', Number.NaN)
  refuses('AMOUNT_MALFORMED', Number.POSITIVE_INFINITY)
})

test('text that is no plain decimal is refused', () => {
  for (const amount of ['', '-', '.', '1.', '.5', '-.5', '1.2.3', '+1', '1e3', ' 1', '1,50', '١', '--1', '1-', '0x1']) {
    refuses('AMOUNT_MALFORMED', amount)
  }
  refuses('AMOUNT_MALFORMED', '9'.repeat(100_000) + 'x')
})

test('too many decimals are refused, also zeros, since 10.000 may mean ten thousand', () => {
  refuses('AMOUNT_TOO_PRECISE', '1059.975')
  refuses('AMOUNT_TOO_PRECISE', '10.000')
  refuses('AMOUNT_TOO_PRECISE', '1.0', 'JPY')
})

test('amounts reach 18 digits of minor units and no further', () => {
  assert.equal(toMinor('9999999999999999.99', 'EUR'), 999999999999999999n)
  assert.equal(toMinor('-9999999999999999', 'EUR'), -999999999999999900n)
  assert.equal(toMinor('0000000000000000000000.01', 'EUR'), 1n)
  refuses('AMOUNT_TOO_LARGE', '10000000000000000.00')
  refuses('AMOUNT_TOO_LARGE', '10000000000000000')
})

test('a refusal says what is wrong with which amount, shortened', () => {
  assert.throws(() => toMinor('1059.975', 'EUR'), {
    message: /more decimals than its currency.*amount 1059\.975, currency EUR, decimals 2/,
    details: { amount: '1059.975', currency: 'EUR', decimals: 2 },
  })
  assert.throws(
    () => toMinor('x'.repeat(9999), 'EUR'),
    (error: Error) => error.message.length < 150,
  )
})

test('minor units are written with exactly the decimals of their currency', () => {
  assert.equal(toAmount(105997n, 'EUR'), '1059.97')
  assert.equal(toAmount(5n, 'EUR'), '0.05')
  assert.equal(toAmount(-5n, 'EUR'), '-0.05')
  assert.equal(toAmount(0n, 'KWD'), '0.000')
  assert.equal(toAmount(-1060n, 'JPY'), '-1060')
  assert.throws(() => toAmount(1n, 'XXX'), { code: 'CURRENCY_UNKNOWN' })
})

test('writing and reading gives the same minor units', () => {
  fc.assert(
    fc.property(storable, currencies, (minor, currency) => {
      assert.equal(toMinor(toAmount(minor, currency), currency), minor)
    }),
  )
})

test('a number and its text are read alike', () => {
  const exact = fc.integer({ min: -999_999_999_999_999, max: 999_999_999_999_999 })
  fc.assert(
    fc.property(exact, currencies, (minor, currency) => {
      const amount = toAmount(BigInt(minor), currency)
      assert.equal(toMinor(Number(amount), currency), BigInt(minor))
    }),
  )
})

test('sums and products are exact', () => {
  assert.equal(sumMinor([]), 0n)
  assert.equal(sumMinor([1n, 2n, -5n]), -2n)
  assert.equal(multiply(105997n, 74_215), 7866567355n)
  assert.throws(() => multiply(1n, 1.5), RangeError)
})

test('units left over go to the largest remainders, then to the earlier part', () => {
  assert.deepEqual(allocate(100n, [1n, 1n, 1n]), [34n, 33n, 33n])
  assert.deepEqual(allocate(-100n, [1n, 1n, 1n]), [-34n, -33n, -33n])
  assert.deepEqual(allocate(10n, [1n, 5n, 1n]), [2n, 7n, 1n])
  assert.deepEqual(allocate(1n, [0n, 2n, 3n]), [0n, 0n, 1n])
  assert.deepEqual(allocate(0n, [0n, 0n]), [0n, 0n])
  assert.deepEqual(allocate(0n, []), [])
  assert.throws(() => allocate(1n, [0n, 0n]), RangeError)
  assert.throws(() => allocate(1n, []), RangeError)
  assert.throws(() => allocate(1n, [2n, -1n]), RangeError)
})

test('parts add up to the total and lie within one unit of their exact share', () => {
  const weights = fc.array(fc.bigInt({ min: 0n, max: 10n ** 12n }), { minLength: 1, maxLength: 40 })
  fc.assert(
    fc.property(storable, weights, (total, parts) => {
      const weightSum = sumMinor(parts)
      fc.pre(weightSum > 0n)
      const split = allocate(total, parts)
      assert.equal(sumMinor(split), total)
      for (const [position, part] of split.entries()) {
        const off = part * weightSum - total * (parts[position] ?? 0n)
        assert.ok(off > -weightSum && off < weightSum)
      }
    }),
  )
})
