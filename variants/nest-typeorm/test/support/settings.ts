/** What a test of this service needs to be set beside what every service needs. */
export const SETTINGS: Record<string, string> = {};
