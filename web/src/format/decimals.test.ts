import { describe, expect, it } from 'vitest';

import { difference, fractionDigits, grouped, money, padded, signOf } from './decimals';

describe('decimals', () => {
  it.each([
    ['0', '0'],
    ['999', '999'],
    ['1000', '1,000'],
    ['-1234567.50', '−1,234,567.50'],
    ['0.00000001', '0.00000001'],
    ['79228162514264337593543950335', '79,228,162,514,264,337,593,543,950,335'],
    ['n/a', 'n/a'],
  ])('groups %s as %s', (decimal, shown) => {
    expect(grouped(decimal)).toBe(shown);
  });

  it.each([
    ['-0.00', 0],
    ['0', 0],
    ['-0.01', -1],
    ['10', 1],
    ['', 0],
  ] as const)('knows the sign of %s', (decimal, sign) => {
    expect(signOf(decimal)).toBe(sign);
  });

  it('pads and never cuts', () => {
    expect([padded('5', 2), padded('5.123', 2), padded('5', 0)]).toEqual(['5.00', '5.123', '5']);
  });

  it('signs money only where asked', () => {
    expect([money('1250'), money('1250', true), money('-3.5', true), money('0', true)]).toEqual([
      '1,250.00',
      '+1,250.00',
      '−3.50',
      '0.00',
    ]);
  });
});

describe('an amount of money', () => {
  it.each([
    ['100012.3562500025', '100,012.36'],
    ['-10.345', '−10.35'],
    ['9.999', '10.00'],
    ['-999.994', '−999.99'],
    ['0.00012345', '0.00012345'],
    ['1.2', '1.20'],
  ])('%s is shown as %s', (decimal, shown) => {
    expect(money(decimal)).toBe(shown);
  });
});

describe('difference', () => {
  it.each([
    ['100000.10', '100000.1', '0.00'],
    ['0.1', '0.3', '-0.2'],
    ['-5', '2.25', '-7.25'],
    ['9007199254740993.01', '9007199254740992', '1.01'],
    ['1', '-0.0000001', '1.0000001'],
    ['7', '7', '0'],
  ])('%s less %s is %s', (one, other, result) => {
    expect(difference(one, other)).toBe(result);
  });
});

describe('fractionDigits', () => {
  it.each([
    [[], 2],
    [['5000', '5000.5'], 2],
    [['1.08345', '1.1'], 5],
    [['0.00012000'], 5],
    [['0.123456789'], 8],
  ])('%o are drawn with %i', (decimals, digits) => {
    expect(fractionDigits(decimals)).toBe(digits);
  });
});
