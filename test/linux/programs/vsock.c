/* Talks to the host over virtio sockets: greets port 1234, prints the answer; then echoes one connection to port 5000. */
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_vm address(unsigned cid, unsigned port) {
  struct sockaddr_vm vm;
  memset(&vm, 0, sizeof vm);
  vm.svm_family = AF_VSOCK;
  vm.svm_cid = cid;
  vm.svm_port = port;
  return vm;
}

static int fail(const char *what) {
  perror(what);
  return 1;
}

static int greet(void) {
  char answer[64];
  struct sockaddr_vm host = address(VMADDR_CID_HOST, 1234);
  int s = socket(AF_VSOCK, SOCK_STREAM, 0);
  if (connect(s, (struct sockaddr *)&host, sizeof host)) return fail("connect");
  if (write(s, "hello, host", 11) != 11) return fail("write");
  ssize_t length = read(s, answer, sizeof answer);
  if (length < 0) return fail("read");
  printf("vsock answer: %.*s\n", (int)length, answer);
  close(s);
  struct sockaddr_vm nobody = address(VMADDR_CID_HOST, 99);
  s = socket(AF_VSOCK, SOCK_STREAM, 0);
  if (connect(s, (struct sockaddr *)&nobody, sizeof nobody)) perror("vsock port 99");
  close(s);
  return 0;
}

static int echo(void) {
  static char bytes[65536];
  struct sockaddr_vm any = address(VMADDR_CID_ANY, 5000);
  int s = socket(AF_VSOCK, SOCK_STREAM, 0);
  if (bind(s, (struct sockaddr *)&any, sizeof any) || listen(s, 1)) return fail("listen");
  puts("vsock listens");
  fflush(stdout);
  int c = accept(s, 0, 0);
  long total = 0;
  for (ssize_t length; (length = read(c, bytes, sizeof bytes)) > 0; total += length) {
    for (ssize_t done = 0; done < length;) {
      ssize_t part = write(c, bytes + done, length - done);
      if (part < 0) return fail("echo");
      done += part;
    }
  }
  printf("vsock echoed %ld\n", total);
  close(c);
  return 0;
}

int main(void) {
  setvbuf(stdout, 0, _IOLBF, 0);
  return greet() || echo();
}
