/* Intel's Node Manager for OpenIPMI's ipmi_sim: what the engine behind the bus answers. */
#include <string.h>

#include <OpenIPMI/mcserv.h>
#include <OpenIPMI/serv.h>

/* The library has it, and its headers don't. */
unsigned char is_mc_get_ipmb(lmc_data_t *controller);

#define INTEL 343
#define ENGINE 0x2c
#define STATISTICS 0xc8
#define COMPUTE_USAGE 0x65

/* The simulator puts the maker's number before `answer`. */
static void put(unsigned char *answer, unsigned int *length, const unsigned char *data, int size)
{
    answer[0] = 0;
    memcpy(answer + 1, data, size);
    *length = size + 1;
}

static void statistics(msg_t *message, unsigned char *answer, unsigned int *length)
{
    unsigned char data[17] = {0, 0, 10, 0, 255, 1, 90, 0, 1, 2, 3, 4, 60, 0, 0, 0, 0x50};
    static const int readings[] = {-1, 410, 24, -1, 57, 38}; /* by mode: W, C in, CFM, C out */
    int mode = message->data[0];

    if (mode > 5 || readings[mode] < 0) {
        answer[0] = 0xcc;
        *length = 1;
        return;
    }
    data[0] = readings[mode] & 0xff;
    data[1] = readings[mode] >> 8;
    put(answer, length, data, sizeof data);
}

static void compute_usage(msg_t *message, unsigned char *answer, unsigned int *length)
{
    static const unsigned char index[] = {0x22, 0x01};
    static const unsigned char shares[24] = {[0] = 51, [8] = 13, [16] = 5};

    if (message->data[0] == 1)
        put(answer, length, index, sizeof index);
    else
        put(answer, length, shares, sizeof shares);
}

static void engine(lmc_data_t *controller, msg_t *message, unsigned char *answer,
                   unsigned int *length, void *unused)
{
    (void)unused;
    if (is_mc_get_ipmb(controller) == ENGINE && message->cmd == STATISTICS)
        statistics(message, answer, length);
    else if (is_mc_get_ipmb(controller) == ENGINE && message->cmd == COMPUTE_USAGE)
        compute_usage(message, answer, length);
    else
        handle_invalid_cmd(controller, answer, length);
}

int ipmi_sim_module_print_version(sys_data_t *system, char *options)
{
    (void)system, (void)options;
    return 0;
}

int ipmi_sim_module_init(sys_data_t *system, const char *options)
{
    (void)system, (void)options;
    return ipmi_emu_register_iana_handler(INTEL, engine, 0);
}
