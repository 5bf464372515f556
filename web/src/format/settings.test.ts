import { describe, expect, it } from 'vitest';

import { settingErrors, settingOf, settingText, settingsOf } from './settings';

describe('settings', () => {
  it.each([
    ['100000', '100000'],
    [2, '2'],
    [null, ''],
    [undefined, ''],
    [false, 'false'],
    [{ ES: '5000' }, '{"ES":"5000"}'],
  ])('shows %j as %j', (value, text) => {
    expect(settingText(value)).toBe(text);
  });

  it.each([
    ['100000.10', '100000.10'],
    [' 2 ', '2'],
    ['true', true],
    ['truely', 'truely'],
    ['{"ES": "5000"}', { ES: '5000' }],
    ['["a"]', ['a']],
  ])('reads %j as %j', (text, value) => {
    expect(settingOf(text)).toEqual(value);
  });

  it('refuses what begins like JSON and is none', () => {
    expect(() => settingOf('{ES: 5000}')).toThrow(SyntaxError);
  });

  it('leaves out what is empty', () => {
    expect(settingsOf({ commission: '1.25', prices: '  ' })).toEqual({ commission: '1.25' });
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
