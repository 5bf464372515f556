import { describe, expect, it } from 'vitest';

import { type Wish, example, messageOf, percentFault } from './alert';

const buy: Wish = { kind: 'plain', action: 'BUY', purpose: 'none', percent: '50', price: false };

describe('a message', () => {
  it.each<[Partial<Wish>, string]>([
    [{}, '{"action": "BUY"}'],
    [{ action: 'SELL', purpose: 'final' }, '{"action": "SELL", "comment": "EXIT_FINAL"}'],
    [{ action: 'SELL', purpose: 'part', percent: '33' }, '{"action": "SELL", "comment": "EXIT_33"}'],
    [{ purpose: 'entry', price: true }, '{"action": "BUY", "comment": "ENTRY", "price": "{{close}}"}'],
    [
      { kind: 'strategy' },
      '{"action": "{{strategy.order.action}}", "comment": "{{strategy.order.comment}}"}',
    ],
  ])('for %j', (wish, message) => {
    expect(messageOf({ ...buy, ...wish })).toBe(message);
  });

  it('shows as TradingView sends it', () => {
    const sent = example(messageOf({ ...buy, kind: 'strategy', price: true }));
    expect(JSON.parse(sent)).toEqual({ action: 'buy', comment: 'ENTRY', price: '100.25' });
  });
});

describe('a part of a position', () => {
  it.each(['50', '100', '0.5', ' 12.5 '])('%s is one', (percent) => {
    expect(percentFault(percent)).toBeUndefined();
  });
  it.each(['', '0', '150', '-5', '1e1', '5"', '50%'])('“%s” is none', (percent) => {
    expect(percentFault(percent)).toContain('above 0');
  });
});
