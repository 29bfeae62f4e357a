/** What a test of this service needs to be set beside what every service needs. */
export const SETTINGS: Record<string, string> = {
  JWT_KEYS: 'dev_00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff',
};
