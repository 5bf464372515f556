import { describe, expect, it } from 'vitest';

import { ownPath, parseSearch, stringifySearch } from './search';

describe('the search of an address', () => {
  it('is text, also where it looks like a number', () => {
    expect(parseSearch('?symbol=1000&strategy_id=7')).toEqual({ symbol: '1000', strategy_id: '7' });
    expect(stringifySearch({ symbol: '1000' })).toBe('?symbol=1000');
  });

  it('leaves out what is empty', () => {
    expect(stringifySearch({ symbol: '', status: undefined })).toBe('');
  });

  it('keeps what has a meaning of its own in an address', () => {
    const search = { symbol: 'A&B=C ?', cursor: 'x+/=' };
    expect(parseSearch(stringifySearch(search))).toEqual(search);
  });
});

describe('ownPath', () => {
  it.each([
    ['/signals/7?tab=raw', '/signals/7?tab=raw'],
    [undefined, '/'],
    ['', '/'],
    ['//elsewhere.example', '/'],
    ['/\\elsewhere.example', '/'],
    ['https://elsewhere.example', '/'],
  ])('%s leads to %s', (address, path) => {
    expect(ownPath(address)).toBe(path);
  });
});
