import { describe, expect, it } from 'vitest';

import { faultOf, partsOf, withTradingView } from './ips';

describe('a list of senders', () => {
  it.each(['', '52.89.214.238, 34.212.75.30', 'tradingview', '10.0.0.0/8,', '2001:db8::1, ::1/128', '0.0.0.0/0'])(
    'takes %j',
    (list) => {
      expect(faultOf(list)).toBeUndefined();
    },
  );

  it.each(['52.89.214', '256.1.1.1', 'example.com', '10.0.0.0/33', '::1/129', '1.2.3.4/8/8', '1.2.3.4 5.6.7.8', ':::'])(
    'refuses %j and names it',
    (list) => {
      expect(faultOf(`1.1.1.1, ${list}`)).toContain(`“${list}”`);
    },
  );

  it('has parts without spaces', () => {
    expect(partsOf(' 1.1.1.1 ,, 2.2.2.2')).toEqual(['1.1.1.1', '2.2.2.2']);
  });
});

describe('withTradingView', () => {
  it.each([
    ['', 'tradingview'],
    ['10.0.0.1,', '10.0.0.1, tradingview'],
    ['TradingView, 10.0.0.1', 'TradingView, 10.0.0.1'],
  ])('%s becomes %s', (list, more) => {
    expect(withTradingView(list)).toBe(more);
  });
});
