/* Keys and signals that end a live view: read as they come, so that the terminal is always
 * restored. */
#include "ctl_keys.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

void ctl_keys_begin(struct ctl_keys *k)
{
    struct termios raw;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGWINCH);
    sigprocmask(SIG_BLOCK, &set, NULL);
    k->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    k->raw = false;
    if (tcgetattr(STDIN_FILENO, &k->before) == 0) {
        raw = k->before;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        k->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
    }
}

void ctl_keys_end(struct ctl_keys *k)
{
    if (k->raw)
        tcsetattr(STDIN_FILENO, TCSANOW, &k->before);
    if (k->signals >= 0)
        close(k->signals);
}

bool ctl_keys_wait(struct ctl_keys *k, int64_t ms)
{
    /* What is no terminal has no keys: its end would be taken for one. */
    struct pollfd from[] = {{.fd = k->raw ? STDIN_FILENO : -1, .events = POLLIN},
                            {.fd = k->signals, .events = POLLIN}};
    struct signalfd_siginfo info;
    char key;

    if (poll(from, 2, (int)ms) < 0)
        return errno == EINTR;
    if (from[1].revents != 0 && read(k->signals, &info, sizeof(info)) == sizeof(info))
        return info.ssi_signo == SIGWINCH;
    if (from[0].revents == 0)
        return true;
    return read(STDIN_FILENO, &key, 1) == 1 && key != 'q' && key != 'Q' && key != 4 && key != 27;
}
