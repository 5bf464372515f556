/** What a refused form shows: the sentences stand at their fields, and what was typed stays. */
import { Problem } from '../api/client';

export function atFields(form: { setErrors: (errors: Record<string, string>) => void }): (error: Error) => void {
  return (error) => {
    if (error instanceof Problem) {
      form.setErrors({ ...error.fields });
    }
  };
}
