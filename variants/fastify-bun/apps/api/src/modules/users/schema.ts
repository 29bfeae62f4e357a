export { UpdateUser, User, UserExport } from '@app/shared';
