import { describe, expect, it } from 'vitest';

import { settingErrors, settingOf, settingText, settingsOf } from './settings';

describe('settings', () => {
  it.each([
    ['decimal', '100000', '100000'],
    ['integer', 2, '2'],
    ['text', null, ''],
    ['text', undefined, ''],
    ['boolean', false, 'false'],
    ['list', ['o163', 'o354'], 'o163, o354'],
    ['decimals', { ES: '5000' }, '{"ES":"5000"}'],
  ])('shows the %s %j as %j', (kind, value, text) => {
    expect(settingText(kind, value)).toBe(text);
  });

  it.each([
    ['decimal', '100000.10', '100000.10'],
    ['integer', ' 2 ', 2],
    ['integer', '2.5', '2.5'],
    ['boolean', 'true', true],
    ['boolean', 'false', false],
    ['text', 'true', 'true'],
    ['choice', 'usdm', 'usdm'],
    ['decimals', '{"ES": "5000"}', { ES: '5000' }],
    ['list', 'o163,, o354 ', ['o163', 'o354']],
  ])('reads the %s %j as %j', (kind, text, value) => {
    expect(settingOf(kind, text)).toEqual(value);
  });

  it('refuses an object that is none', () => {
    expect(() => settingOf('decimals', '{ES: 5000}')).toThrow(SyntaxError);
  });

  it('leaves out what is empty', () => {
    const fields = [
      { name: 'commission', kind: 'decimal' },
      { name: 'prices', kind: 'decimals' },
      { name: 'leverage', kind: 'integer' },
    ];
    expect(settingsOf(fields, { commission: '1.25', prices: '  ' })).toEqual({ commission: '1.25' });
  });

  it('puts a sentence at the setting that it is about', () => {
    const fields = {
      label: 'must not be empty',
      'credentials.key_id': 'is missing',
      'settings.leverage': 'must be a whole number',
      'settings.prices.ES': 'is no price',
      'settings.prices.BRK.B': 'is no price',
    };
    expect(settingErrors(fields)).toEqual({
      label: 'must not be empty',
      'credentials.key_id': 'is missing',
      'settings.leverage': 'must be a whole number',
      'settings.prices': 'ES is no price; BRK.B is no price',
    });
  });
});
