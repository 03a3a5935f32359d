package org.example.lending.app;

import static org.example.lending.money.Fees.feeFor;

import java.util.*;
import org.example.lending.store.*;

public class Launcher {
    private Currency currency = Currency.getInstance("EUR");

    public static void main(String[] args) {
        MainKt.main();
        LoanStore store = Stores.INSTANCE.getDefault();
        System.out.println(feeFor(3) + " " + store);
    }
}
