/** A broker's settings in a form: a text each, whatever shape the broker gives them. */

/** The text of a setting as the API shows it; what is not set is empty. */
export function settingText(value: unknown): string {
  if (value === null || value === undefined) {
    return '';
  }
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** The setting that a text stands for. Lists, objects and truth values are written as JSON; figures stay text, so that
 * they stay exact. Throws where what begins like JSON is none. */
export function settingOf(text: string): unknown {
  const written = text.trim();
  return /^[[{]|^(true|false)$/.test(written) ? (JSON.parse(written) as unknown) : written;
}

/** What is sent of the texts of a form: what is left empty gets the broker's default. */
export function settingsOf(texts: Readonly<Record<string, string>>): Record<string, unknown> {
  const set = Object.entries(texts).filter(([, text]) => text.trim() !== '');
  return Object.fromEntries(set.map(([name, text]) => [name, settingOf(text)]));
}

/** The sentences at the settings that they are about: one at `settings.prices.ES` stands at `prices`. */
export function settingErrors(fields: Readonly<Record<string, string>>): Record<string, string> {
  const errors: Record<string, string> = {};
  for (const [path, sentence] of Object.entries(fields)) {
    const [group = '', name, ...within] = path.split('.');
    const place = group === 'settings' && name !== undefined ? `${group}.${name}` : path;
    const said = place === path ? sentence : `${within.join('.')} ${sentence}`;
    errors[place] = errors[place] === undefined ? said : `${errors[place]}; ${said}`;
  }
  return errors;
}
