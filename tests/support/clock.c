/* A process's wall clock, moved by as many seconds as a shared file says. Loaded by LD_PRELOAD. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile long *offset;

__attribute__((constructor)) static void open_offset(void) {
  const char *path = getenv("TEST_CLOCK_OFFSET");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *found = mmap(NULL, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
  if (found != MAP_FAILED) offset = found;
  close(file);
}

static long moved(void) { return offset ? *offset : 0; }

int clock_gettime(clockid_t id, struct timespec *now) {
  long result = syscall(SYS_clock_gettime, id, now);
  if (!result && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) now->tv_sec += moved();
  return (int)result;
}

int gettimeofday(struct timeval *now, void *zone) {
  struct timespec found;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &found);
  now->tv_sec = found.tv_sec;
  now->tv_usec = found.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *now) {
  struct timespec found;
  clock_gettime(CLOCK_REALTIME, &found);
  if (now) *now = found.tv_sec;
  return found.tv_sec;
}

/* Waits until a time of the wall clock: the kernel's has not moved. Times since the machine's start are small. */
static const struct timespec *of_kernel(const struct timespec *until, struct timespec *room) {
  if (!until || until->tv_sec < 100000000) return until;
  *room = *until;
  room->tv_sec -= moved();
  if (room->tv_sec < 0) room->tv_sec = 0;
  return room;
}

int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until) {
  static int (*real)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
  struct timespec room;
  if (!real) real = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
  return real(cond, mutex, of_kernel(until, &room));
}

int sem_timedwait(sem_t *semaphore, const struct timespec *until) {
  static int (*real)(sem_t *, const struct timespec *);
  struct timespec room;
  if (!real) real = dlsym(RTLD_NEXT, "sem_timedwait");
  return real(semaphore, of_kernel(until, &room));
}

long syscall(long number, ...) {
  static long (*real)(long, ...);
  va_list list;
  long a[6];
  struct timespec room;
  if (!real) real = dlsym(RTLD_NEXT, "syscall");
  va_start(list, number);
  for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
  va_end(list);
  if (number == SYS_futex && (a[1] & FUTEX_CLOCK_REALTIME)) a[3] = (long)of_kernel((void *)a[3], &room);
  return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
