import { json, problem, serve } from '@shared/answers.ts';
import { hasSecretKey, rpc } from '@shared/project.ts';

/** Adds up usage by month. Called on a schedule, with the project's secret key; doing it twice does no harm. */
export const handle = serve('POST', async (request) => {
  if (!(await hasSecretKey(request))) {
    return problem(401, 'UNAUTHORIZED', 'Send the secret key of the project as apikey.');
  }
  return json(200, { data: await rpc('roll_up_usage') });
});
